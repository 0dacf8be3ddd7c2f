"""Messages of the query streams to requests of the engine; in messages 0 and "" mean absent."""

from __future__ import annotations

from dataclasses import replace

from tempo_dask.api.contracts import Api
from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_metrics import (
    START_REQUIRED,
    check_instant_query,
    checked_instant,
    checked_range,
    default_step,
)
from tempo_dask.api.decode_search import decode_search
from tempo_dask.api.decode_tag_requests import decode_key_values, decode_tag_names, decode_tag_values
from tempo_dask.api.pb import tempo_pb2 as pb
from tempo_dask.engine.requests import (
    KeyValuesRequest,
    RangeRequest,
    SearchRequest,
    TagNamesRequest,
    TagValuesRequest,
)
from tempo_dask.errors import BadRequest

_LAST_S = 2**31 - 1
_ONE_BOUND = "error parsing date range: only one of start and end provided: must provide both or neither"


def search_request(message: pb.SearchRequest, api: Api) -> SearchRequest:
    """Return the search that a message asks for; raises BadRequest."""
    if message.Query and message.Tags:
        msg = "invalid request: can't specify tags and q in the same query"
        raise BadRequest(msg)
    if bool(message.start) != bool(message.end):
        raise BadRequest(_ONE_BOUND)
    arguments = _arguments(
        q=message.Query,
        limit=message.Limit,
        spss=message.SpansPerSpanSet,
        start=_seconds(message.start),
        end=_seconds(message.end),
        minDuration=message.MinDurationMs and f"{message.MinDurationMs}ms",
        maxDuration=message.MaxDurationMs and f"{message.MaxDurationMs}ms",
    )
    request = decode_search(arguments, api.tenant, api.now_ns(), api.limits)
    return replace(request, tags=tuple(message.Tags.items()))


def tag_names_request(message: pb.SearchTagsRequest, api: Api) -> TagNamesRequest:
    """Return which names a message asks for; raises BadRequest."""
    arguments = _arguments(
        scope=message.scope,
        q=message.query,
        start=_seconds(message.start),
        end=_seconds(message.end),
        limit=message.maxTagsPerScope,
    )
    return decode_tag_names(arguments, api.tenant, api.now_ns(), api.limits)


def key_values_request(message: pb.SearchTagValuesRequest, api: Api) -> KeyValuesRequest:
    """Return which values of a plain key a message asks for; raises BadRequest."""
    return decode_key_values(_tag(message), _of_values(message), api.tenant, api.now_ns(), api.limits)


def tag_values_request(message: pb.SearchTagValuesRequest, api: Api) -> TagValuesRequest:
    """Return which values of an attribute a message asks for; raises BadRequest."""
    return decode_tag_values(_tag(message), _of_values(message), api.tenant, api.now_ns(), api.limits)


def range_request(message: pb.QueryRangeRequest, api: Api) -> RangeRequest:
    """Return the range query that a message asks for, times and step in nanoseconds; raises BadRequest."""
    end_ns = _end(message.end, api)
    step_ns = message.step or default_step(max(end_ns - message.start, 0))
    asked = RangeRequest(
        api.tenant, message.query, message.start, end_ns, step_ns, message.exemplars, message.maxSeries
    )
    return checked_range(asked, api.limits)


def instant_request(message: pb.QueryInstantRequest, api: Api) -> RangeRequest:
    """Return the instant query that a message asks for, a range of one interval; raises BadRequest."""
    check_instant_query(message.query, api.limits)
    if not message.start:
        raise BadRequest(START_REQUIRED)
    return checked_instant(RangeRequest(api.tenant, message.query, message.start, _end(message.end, api), 0), api.limits)


def _arguments(**values: int | str) -> Arguments:
    return Arguments({name: str(value) for name, value in values.items() if value})


def _seconds(value: int) -> int:
    """Return seconds that parameters can say: what is later is as good as the last of them."""
    return min(value, _LAST_S)


def _end(end_ns: int, api: Api) -> int:
    return min(end_ns, api.now_ns() - api.limits.end_cutoff_ns)


def _tag(message: pb.SearchTagValuesRequest) -> str:
    if not message.tagName:
        msg = "please provide a non-empty tagName"
        raise BadRequest(msg)
    return message.tagName


def _of_values(message: pb.SearchTagValuesRequest) -> Arguments:
    return _arguments(
        q=message.query, start=_seconds(message.start), end=_seconds(message.end), limit=message.maxTagValues
    )
