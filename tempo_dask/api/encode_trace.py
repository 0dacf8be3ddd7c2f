"""One trace as OTLP: every field as it was sent, spans grouped by resource and scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa

from storage.columns import SpanTables
from tempo_dask.api.encode_attributes import attributes_by_row
from tempo_dask.api.encode_otlp import JSON, PROTOBUF, OtlpForm
from tempo_dask.api.encode_values import Tree
from tempo_dask.api.pb.tempo_pb2 import Trace, TraceByIDResponse
from tempo_dask.api.trace_rows import SpanRows, by_span, column, grouped, span_rows, times
from tempo_dask.engine.results import TraceResult


def encode_trace_json(tables: SpanTables) -> bytes:
    """Return a trace as the first version of the API answers it: `resourceSpans` are called `batches`."""
    return orjson.dumps({"batches": resource_spans(tables, JSON)})


def encode_trace_protobuf(tables: SpanTables) -> bytes:
    """Return a trace as the first version of the API answers it: a bare `Trace`."""
    return Trace(resourceSpans=resource_spans(tables, PROTOBUF)).SerializeToString()


def encode_trace_response_json(result: TraceResult) -> bytes:
    """Return a trace as the second version of the API answers it; a trace that is not known is `{}`."""
    return orjson.dumps(_response(result, JSON))


def encode_trace_response_protobuf(result: TraceResult) -> bytes:
    """Return a trace as the second version of the API answers it; a trace that is not known is empty."""
    return TraceByIDResponse(**_response(result, PROTOBUF)).SerializeToString()


def _response(result: TraceResult, form: OtlpForm) -> Tree:
    trace = {} if result.tables is None else {"resourceSpans": resource_spans(result.tables, form)}
    read = result.metrics.inspected_bytes
    return {"trace": trace, "metrics": {"inspectedBytes": form.long(read)} if read else {}}


def resource_spans(tables: SpanTables, form: OtlpForm) -> list[Tree]:
    """Return `ResourceSpans` messages of the spans of one trace."""
    rows = span_rows(tables)
    make_span = _spans(tables, rows, form)
    resources, scopes = _resources(tables.resources, form), _scopes(tables.scopes, form)
    resource_urls, scope_urls = column(tables.resources, "schema_url"), column(tables.scopes, "schema_url")
    return [
        form.message(
            {
                "resource": resources[group.resource],
                "scope_spans": [
                    form.message(
                        {
                            "scope": scopes[scope.scope],
                            "spans": [make_span(row) for row in scope.spans],
                            "schema_url": scope_urls[scope.scope],
                        }
                    )
                    for scope in group.scopes
                ],
                "schema_url": resource_urls[group.resource],
            }
        )
        for group in grouped(tables, rows)
    ]


def _spans(tables: SpanTables, rows: SpanRows, form: OtlpForm) -> Callable[[int], Tree]:
    """Return what makes the message of a row of spans."""
    spans = tables.spans
    attributes = _attributes(spans, form)
    names, states, flags = column(spans, "name"), column(spans, "trace_state"), column(spans, "flags")
    codes, messages = column(spans, "status"), column(spans, "status_message")
    dropped = column(spans, "dropped_attributes")
    dropped_events, dropped_links = column(spans, "dropped_events"), column(spans, "dropped_links")
    events, events_of = _events(tables.events, form), by_span(tables.events, spans.num_rows)
    links, links_of = _links(tables.links, form), by_span(tables.links, spans.num_rows)

    def span(row: int) -> Tree:
        return form.message(
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
                "status": form.message({"message": messages[row], "code": form.status(codes[row])}),
            }
        )

    return span


def _resources(table: pa.Table, form: OtlpForm) -> list[Tree]:
    return _messages(table, form, {})


def _scopes(table: pa.Table, form: OtlpForm) -> list[Tree]:
    return _messages(table, form, {"name": column(table, "name"), "version": column(table, "version")})


def _events(table: pa.Table, form: OtlpForm) -> list[Tree]:
    moments = [form.long(moment) for moment in times(table, "time").tolist()]
    return _messages(table, form, {"time_unix_nano": moments, "name": column(table, "name")})


def _links(table: pa.Table, form: OtlpForm) -> list[Tree]:
    ids = {name: [form.id(value or b"") for value in column(table, name)] for name in ("trace_id", "span_id")}
    return _messages(table, form, ids | {name: column(table, name) for name in ("trace_state", "flags")})


def _messages(table: pa.Table, form: OtlpForm, fields: dict[str, list[Any]]) -> list[Tree]:
    """Return a message per row: the given fields, and the attributes that all of these tables have."""
    fields = fields | {
        "attributes": _attributes(table, form),
        "dropped_attributes_count": column(table, "dropped_attributes"),
    }
    return [form.message(dict(zip(fields, row, strict=True))) for row in zip(*fields.values(), strict=True)]


def _attributes(table: pa.Table, form: OtlpForm) -> list[list[Any]]:
    return attributes_by_row(table, form.key_value)
