"""The plain way to decode OTLP: upb parses, a Python loop fills lists, pyarrow makes columns of them.

What the kernels are measured against. It shreds attributes as `storage.columns` says, without a bound on columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from storage.columns import (
    ARROW_TYPES,
    EVENT_FIELDS,
    LINK_FIELDS,
    RESOURCE_FIELDS,
    REST,
    REST_FIELD,
    SCOPE_FIELDS,
    SPAN_FIELDS,
    Scope,
    SpanTables,
    TypeName,
    column_name,
)

SCALARS: dict[str, TypeName] = {
    "string_value": "str",
    "int_value": "int",
    "double_value": "float",
    "bool_value": "bool",
}
WRAP = 1 << 64
HALF = 1 << 63


class Rows:
    """A table under construction: rows of own columns, attributes by column name."""

    def __init__(self, scope: Scope, fields: Sequence[pa.Field]) -> None:
        self.scope = scope
        self.fields = fields
        self.rows: list[tuple[Any, ...]] = []
        self.columns: dict[str, tuple[TypeName, list[int], list[Any]]] = {}
        self.rest: dict[int, list[dict[str, Any]]] = {}

    def add(self, row: tuple[Any, ...], attributes: Iterable[KeyValue]) -> int:
        number = len(self.rows)
        self.rows.append(row)
        seen = set()
        for pair in attributes:
            key = pair.key
            value = pair.value
            kind = value.WhichOneof("value")
            type_name: TypeName | None
            if kind in SCALARS:
                type_name, plain = SCALARS[kind], getattr(value, kind)
            else:
                type_name, plain = array(value) if kind == "array_value" else (None, None)
            if type_name is None:
                other = b"" if kind is None else value.SerializeToString()
                self.rest.setdefault(number, []).append({"key": key, "other": other})
            elif key in seen:
                entry = {type_name: plain} if kind in SCALARS else {"other": value.SerializeToString()}
                self.rest.setdefault(number, []).append({"key": key, **entry})
            else:
                name = column_name(self.scope, key, type_name)
                column = self.columns.get(name)
                if column is None:
                    column = self.columns[name] = (type_name, [], [])
                column[1].append(number)
                column[2].append(plain)
            seen.add(key)
        return number

    def table(self) -> pa.Table:
        count = len(self.rows)
        own = list(zip(*self.rows, strict=True)) or [()] * len(self.fields)
        fields = list(self.fields)
        arrays = [own_array(values, field.type) for values, field in zip(own, fields, strict=True)]
        for name, (type_name, numbers, values) in self.columns.items():
            full: list[Any] = [None] * count
            for number, value in zip(numbers, values, strict=True):
                full[number] = value
            fields.append(pa.field(name, ARROW_TYPES[type_name]))
            arrays.append(own_array(full, ARROW_TYPES[type_name]))
        fields.append(REST_FIELD)
        arrays.append(pa.array([self.rest.get(number) for number in range(count)], REST))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def own_array(values: Sequence[Any], dtype: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(dtype):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, dtype)


def array(value: AnyValue) -> tuple[TypeName | None, list[Any] | None]:
    """Return the type and values of an array of one kind of value, else None twice."""
    items = value.array_value.values
    kinds = {item.WhichOneof("value") for item in items}
    if len(kinds) != 1 or not kinds <= SCALARS.keys():
        return None, None
    kind = kinds.pop()
    return SCALARS[kind] + "[]", [getattr(item, kind) for item in items]  # type: ignore[return-value]


def decode(bodies: Sequence[bytes]) -> SpanTables:
    """Return the spans of checked requests as columns."""
    spans, resources = Rows("span", SPAN_FIELDS), Rows("resource", RESOURCE_FIELDS)
    scopes, events, links = (
        Rows("instrumentation", SCOPE_FIELDS),
        Rows("event", EVENT_FIELDS),
        Rows("link", LINK_FIELDS),
    )
    resource_of: dict[tuple[bytes, str], int] = {}
    scope_of: dict[tuple[bytes, str], int] = {}
    for body in bodies:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            wire, schema_url = resource_spans.resource, resource_spans.schema_url
            identity = (wire.SerializeToString(), schema_url)
            resource = resource_of.get(identity)
            if resource is None:
                row: tuple[Any, ...] = (schema_url, wire.dropped_attributes_count)
                resource = resource_of[identity] = resources.add(row, wire.attributes)
            for scope_spans in resource_spans.scope_spans:
                named, schema_url = scope_spans.scope, scope_spans.schema_url
                identity = (named.SerializeToString(), schema_url)
                scope = scope_of.get(identity)
                if scope is None:
                    row = (named.name, named.version, schema_url, named.dropped_attributes_count)
                    scope = scope_of[identity] = scopes.add(row, named.attributes)
                for span in scope_spans.spans:
                    add_span(span, resource, scope, spans, events, links)
    return SpanTables(spans.table(), resources.table(), scopes.table(), events.table(), links.table())


def add_span(span: Any, resource: int, scope: int, spans: Rows, events: Rows, links: Rows) -> None:
    start = span.start_time_unix_nano
    row = (
        span.trace_id,
        span.span_id,
        present(span.parent_span_id),
        signed(start),
        signed(span.end_time_unix_nano - start),
        span.name,
        span.kind,
        span.status.code,
        span.status.message,
        span.trace_state,
        span.flags,
        span.dropped_attributes_count,
        span.dropped_events_count,
        span.dropped_links_count,
        resource,
        scope,
    )
    number = spans.add(row, span.attributes)
    for event in span.events:
        row = (number, signed(event.time_unix_nano), event.name, event.dropped_attributes_count)
        events.add(row, event.attributes)
    for link in span.links:
        ids = present(link.trace_id), present(link.span_id)
        links.add((number, *ids, link.trace_state, link.flags, link.dropped_attributes_count), link.attributes)


def present(value: bytes) -> bytes | None:
    return value if any(value) else None


def signed(value: int) -> int:
    return (value + HALF) % WRAP - HALF
