"""Streaming requests as the parameters that the same question has over HTTP, so that one set of rules checks both.

A field at its zero value is absent, but for the times of metrics: those must both be given.
"""

from __future__ import annotations

import json

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_times import ONE_BOUND
from tempo_dask.api.pb.tempo_pb2 import (
    QueryInstantRequest,
    QueryRangeRequest,
    SearchRequest,
    SearchTagsRequest,
    SearchTagValuesRequest,
)
from tempo_dask.errors import BadRequest

#: So many digits are nanoseconds in any year.
_NS_DIGITS = 19


def of_search(request: SearchRequest) -> Arguments:
    """Return the parameters of a search; its times are seconds. Raises BadRequest where only one is given."""
    if bool(request.start) != bool(request.end):
        raise BadRequest(ONE_BOUND)
    tags = " ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in request.Tags.items())
    return Arguments(
        {
            "q": request.Query,
            "tags": tags,
            "minDuration": _given(request.MinDurationMs, "ms"),
            "maxDuration": _given(request.MaxDurationMs, "ms"),
            "limit": _given(request.Limit),
            "spss": _given(request.SpansPerSpanSet),
            "start": _given(request.start),
            "end": _given(request.end),
        }
    )


def of_tags(request: SearchTagsRequest) -> Arguments:
    """Return the parameters of a list of tag names."""
    return Arguments(
        {
            "scope": request.scope,
            "q": request.query,
            "start": _given(request.start),
            "end": _given(request.end),
            "limit": _given(request.maxTagsPerScope),
        }
    )


def of_tag_values(request: SearchTagValuesRequest) -> Arguments:
    """Return the parameters of a list of tag values, without the name of the tag."""
    return Arguments(
        {
            "q": request.query,
            "start": _given(request.start),
            "end": _given(request.end),
            "limit": _given(request.maxTagValues),
        }
    )


def of_range(request: QueryRangeRequest) -> Arguments:
    """Return the parameters of a range query; its times are nanoseconds."""
    return Arguments(
        {
            "q": request.query,
            "start": _nanoseconds(request.start),
            "end": _nanoseconds(request.end),
            "step": _given(request.step, "ns"),
            "exemplars": _given(request.exemplars),
            "maxSeries": _given(request.maxSeries),
        }
    )


def of_instant(request: QueryInstantRequest) -> Arguments:
    """Return the parameters of an instant query; its times are nanoseconds."""
    return Arguments({"q": request.query, "start": _nanoseconds(request.start), "end": _nanoseconds(request.end)})


def _given(number: int, unit: str = "") -> str:
    return f"{number}{unit}" if number else ""


def _nanoseconds(number: int) -> str:
    return f"{number:0{_NS_DIGITS}d}"
