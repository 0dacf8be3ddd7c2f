"""One trace as OTLP: every field as it was sent, spans grouped by resource and scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from storage.columns import SpanTables
from tempo_dask.api.encode_attributes import attributes_by_row
from tempo_dask.api.encode_otlp import JSON, WIRE, OtlpForm, delimited
from tempo_dask.api.pb.tempo_pb2 import TraceByIDResponse
from tempo_dask.api.trace_rows import ScopeGroup, SpanRows, by_span, column, grouped, span_rows, times
from tempo_dask.engine.results import TraceResult

#: Stands before field 1, a message: `Trace.resourceSpans` and `TraceByIDResponse.trace`.
_FIRST_FIELD = b"\x0a"


def encode_trace_json(tables: SpanTables) -> bytes:
    """Return a trace as the first version of the API answers it: `resourceSpans` are called `batches`."""
    return orjson.dumps({"batches": resource_spans(tables, JSON)})


def encode_trace_protobuf(tables: SpanTables) -> bytes:
    """Return a trace as the first version of the API answers it: a bare `Trace`."""
    return b"".join(_FIRST_FIELD + found for found in resource_spans(tables, WIRE))


def encode_trace_response_json(result: TraceResult) -> bytes:
    """Return a trace as the second version of the API answers it; a trace that is not known is `{}`."""
    trace = {} if result.tables is None else {"resourceSpans": resource_spans(result.tables, JSON)}
    read = result.metrics.inspected_bytes
    partial = {"status": "PARTIAL", "message": result.message} if result.message else {}
    return orjson.dumps({"trace": trace, "metrics": {"inspectedBytes": str(read)} if read else {}, **partial})


def encode_trace_response_protobuf(result: TraceResult) -> bytes:
    """Return a trace as the second version of the API answers it; a trace that is not known is empty."""
    trace = b"" if result.tables is None else encode_trace_protobuf(result.tables)
    beside = TraceByIDResponse(
        metrics={"inspectedBytes": result.metrics.inspected_bytes},
        status="PARTIAL" if result.message else "COMPLETE",
        message=result.message,
    )
    return _FIRST_FIELD + delimited(trace) + beside.SerializeToString()


def resource_spans(tables: SpanTables, form: OtlpForm) -> list[Any]:
    """Return `ResourceSpans` messages of the spans of one trace."""
    rows = span_rows(tables)
    make_span = _spans(tables, rows, form)
    resources, scopes = _messages(Resource, tables.resources, form, {}), _scopes(tables.scopes, form)
    resource_urls, scope_urls = column(tables.resources, "schema_url"), column(tables.scopes, "schema_url")

    def scope_spans(group: ScopeGroup) -> Any:
        spans = [make_span(row) for row in group.spans]
        tree = {"scope": scopes[group.scope], "spans": spans, "schema_url": scope_urls[group.scope]}
        return form.message(ScopeSpans, tree)

    return [
        form.message(
            ResourceSpans,
            {
                "resource": resources[group.resource],
                "scope_spans": [scope_spans(scope) for scope in group.scopes],
                "schema_url": resource_urls[group.resource],
            },
        )
        for group in grouped(tables, rows)
    ]


def _spans(tables: SpanTables, rows: SpanRows, form: OtlpForm) -> Callable[[int], Any]:
    """Return what makes the message of a row of spans."""
    spans = tables.spans
    attributes = _attributes(spans, form)
    names, states, flags = column(spans, "name"), column(spans, "trace_state"), column(spans, "flags")
    codes, messages = column(spans, "status"), column(spans, "status_message")
    dropped = column(spans, "dropped_attributes")
    dropped_events, dropped_links = column(spans, "dropped_events"), column(spans, "dropped_links")
    events, events_of = _events(tables.events, form), by_span(tables.events, spans.num_rows)
    links, links_of = _links(tables.links, form), by_span(tables.links, spans.num_rows)

    def span(row: int) -> Any:
        return form.message(
            Span,
            {
                "trace_id": form.id(rows.trace_ids[row]),
                "span_id": form.id(rows.ids[row]),
                "trace_state": states[row],
                "parent_span_id": form.id(rows.parents[row]),
                "flags": flags[row],
                "name": names[row],
                "kind": form.kind(rows.kinds[row]),
                "start_time_unix_nano": form.long(rows.start_ns[row]),
                "end_time_unix_nano": form.long(rows.end_ns[row]),
                "attributes": attributes[row],
                "dropped_attributes_count": dropped[row],
                "events": [events[event] for event in events_of[row]],
                "dropped_events_count": dropped_events[row],
                "links": [links[link] for link in links_of[row]],
                "dropped_links_count": dropped_links[row],
                "status": form.message(Status, {"message": messages[row], "code": form.status(codes[row])}),
            },
        )

    return span


def _scopes(table: pa.Table, form: OtlpForm) -> list[Any]:
    named = {name: column(table, name) for name in ("name", "version")}
    return _messages(InstrumentationScope, table, form, named)


def _events(table: pa.Table, form: OtlpForm) -> list[Any]:
    moments = [form.long(moment) for moment in times(table, "time").tolist()]
    return _messages(Span.Event, table, form, {"time_unix_nano": moments, "name": column(table, "name")})


def _links(table: pa.Table, form: OtlpForm) -> list[Any]:
    ids = {name: [form.id(value or b"") for value in column(table, name)] for name in ("trace_id", "span_id")}
    return _messages(Span.Link, table, form, ids | {name: column(table, name) for name in ("trace_state", "flags")})


def _messages(kind: type[Message], table: pa.Table, form: OtlpForm, fields: dict[str, list[Any]]) -> list[Any]:
    """Return a message per row: the given fields, and the attributes that all of these tables have."""
    fields = fields | {
        "attributes": _attributes(table, form),
        "dropped_attributes_count": column(table, "dropped_attributes"),
    }
    return [form.message(kind, dict(zip(fields, row, strict=True))) for row in zip(*fields.values(), strict=True)]


def _attributes(table: pa.Table, form: OtlpForm) -> list[list[Any]]:
    return attributes_by_row(table, form.key_value)
