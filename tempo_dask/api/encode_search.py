"""A search result as `SearchResponse`."""

from __future__ import annotations

import orjson

from tempo_dask.api.encode_values import JSON, PROTOBUF, Form, Tree, metrics_tree, without_zeros
from tempo_dask.api.pb.tempo_pb2 import SearchResponse
from tempo_dask.engine.results import FoundSpan, FoundTrace, SearchResult, SpanSet

#: What clients are told where no root span has arrived, or the root has no service name.
NO_ROOT = "<root span not yet received>"

_MAX_UINT32 = (1 << 32) - 1


def encode_search_json(result: SearchResult) -> bytes:
    """Return the JSON of a search."""
    return orjson.dumps(_response(result, JSON))


def encode_search_protobuf(result: SearchResult) -> bytes:
    """Return the protobuf of a search."""
    return SearchResponse(**_response(result, PROTOBUF)).SerializeToString()


def _response(result: SearchResult, form: Form) -> Tree:
    return {
        "traces": [_trace(trace, form) for trace in result.traces],
        "metrics": metrics_tree(result.metrics, form),
    }


def _trace(trace: FoundTrace, form: Form) -> Tree:
    tree = without_zeros(
        {
            "traceID": trace.trace_id.hex().lstrip("0"),
            "rootServiceName": trace.root_service or NO_ROOT,
            "rootTraceName": trace.root_name,
            "startTimeUnixNano": form.long(trace.start_ns),
            "durationMs": min(trace.duration_ns // 1_000_000, _MAX_UINT32),
        }
    )
    if trace.span_sets:
        sets = [_span_set(span_set, form) for span_set in trace.span_sets]
        tree |= {"spanSet": sets[0], "spanSets": sets}
    if trace.service_stats:
        tree["serviceStats"] = {
            service: without_zeros({"spanCount": spans, "errorCount": errors})
            for service, (spans, errors) in trace.service_stats.items()
        }
    return tree


def _span_set(span_set: SpanSet, form: Form) -> Tree:
    tree = without_zeros({"spans": [_span(span, form) for span in span_set.spans], "matched": span_set.matched})
    if span_set.attributes:
        tree["attributes"] = form.labels(span_set.attributes)
    return tree


def _span(span: FoundSpan, form: Form) -> Tree:
    tree = without_zeros(
        {
            "spanID": span.span_id.hex(),
            "name": span.name,
            "startTimeUnixNano": form.long(span.start_ns),
            "durationNanos": form.long(span.duration_ns),
        }
    )
    if span.attributes:
        tree["attributes"] = form.labels(span.attributes)
    return tree
