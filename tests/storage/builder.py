"""Span tables from plain spans, row by row: a slow decoder that says how tables must look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from storage.columns import (
    ARROW_TYPES,
    EVENT_FIELDS,
    LINK_FIELDS,
    RESOURCE_FIELDS,
    REST_FIELD,
    SCOPE_FIELDS,
    SPAN_FIELDS,
    Scope,
    SpanTables,
    TypeName,
    column_name,
)
from tests.otlp_oracle import WRAP, Attributes, Resource, Span, Value
from tests.otlp_oracle import Scope as OtlpScope

#: A root span with nothing to it, to be varied.
SPAN = Span(
    trace_id=bytes(15) + b"\x07",
    span_id=bytes(7) + b"\x01",
    parent_span_id=None,
    start=1_000,
    end=1_001,
    name="",
    kind=1,
    status=0,
    status_message="",
    trace_state="",
    flags=0,
    attributes=(),
    dropped_attributes=0,
    dropped_events=0,
    dropped_links=0,
    events=(),
    links=(),
    resource=Resource(),
    scope=OtlpScope(),
)
_SCALARS = ("str", "int", "float", "bool")


def tables_of(spans: Sequence[Span]) -> SpanTables:
    """Return spans as decoded: in the given order, resources and scopes numbered by first use."""
    resources = list(dict.fromkeys(span.resource for span in spans))
    scopes = list(dict.fromkeys(span.scope for span in spans))
    same = [f.name for f in SPAN_FIELDS if f.name not in {"start", "duration_ns", "resource", "scope"}]
    span_rows = [
        {
            **{name: getattr(span, name) for name in same},
            "start": _signed(span.start),
            "duration_ns": _signed(span.end - span.start),
            "resource": resources.index(span.resource),
            "scope": scopes.index(span.scope),
        }
        for span in spans
    ]
    events = [(at, event) for at, span in enumerate(spans) for event in span.events]
    links = [(at, link) for at, span in enumerate(spans) for link in span.links]
    return SpanTables(
        spans=_table("span", SPAN_FIELDS, span_rows, [s.attributes for s in spans]),
        resources=_table("resource", RESOURCE_FIELDS, _rows(RESOURCE_FIELDS, resources), _attributes(resources)),
        scopes=_table("instrumentation", SCOPE_FIELDS, _rows(SCOPE_FIELDS, scopes), _attributes(scopes)),
        events=_table("event", EVENT_FIELDS, _owned(EVENT_FIELDS, events), _attributes(e for _, e in events)),
        links=_table("link", LINK_FIELDS, _owned(LINK_FIELDS, links), _attributes(link for _, link in links)),
    )


def _attributes(things: Iterable[Any]) -> list[Attributes]:
    return [thing.attributes for thing in things]


def _rows(fields: Sequence[pa.Field], things: Iterable[Any]) -> list[dict[str, Any]]:
    return [{f.name: _plain(f.name, getattr(thing, f.name)) for f in fields} for thing in things]


def _owned(fields: Sequence[pa.Field], things: Iterable[tuple[int, Any]]) -> list[dict[str, Any]]:
    things = list(things)
    rows = _rows(fields[1:], [thing for _, thing in things])
    return [{"span": at, **row} for (at, _), row in zip(things, rows, strict=True)]


def _plain(name: str, value: Any) -> Any:
    return _signed(value) if name == "time" else value


def _signed(value: int) -> int:
    return (value + WRAP // 2) % WRAP - WRAP // 2


def _table(scope: Scope, fields: Sequence[pa.Field], rows: list[dict[str, Any]], owned: list[Attributes]) -> pa.Table:
    arrays = [pa.array([row[f.name] for row in rows], f.type) for f in fields]
    columns: dict[str, list[Any]] = {}
    types: dict[str, TypeName] = {}
    rest: list[list[dict[str, Any]]] = [[] for _ in rows]
    for at, attributes in enumerate(owned):
        seen = set()
        for key, value in attributes:
            type_name = _column_type(value)
            if type_name is None or key in seen:
                rest[at].append({"key": key, **_entry(value)})
            else:
                name = column_name(scope, key, type_name)
                types[name] = type_name
                columns.setdefault(name, [None] * len(rows))[at] = _native(value)
            seen.add(key)
    schema = [*fields, *(pa.field(name, ARROW_TYPES[types[name]]) for name in columns), REST_FIELD]
    arrays += [pa.array(column, ARROW_TYPES[types[name]]) for name, column in columns.items()]
    return pa.Table.from_arrays([*arrays, pa.array(rest, REST_FIELD.type)], schema=pa.schema(schema))


def _column_type(value: Value) -> TypeName | None:
    """Return the type of a value that a column may hold: a scalar, or an array of scalars of one type."""
    if value[0] in _SCALARS:
        return value[0]
    if value[0] != "array" or len({v[0] for v in value[1:]}) != 1 or value[1][0] not in _SCALARS:
        return None
    return f"{value[1][0]}[]"  # type: ignore[return-value]  # made of scalar names


def _native(value: Value) -> Any:
    if value[0] == "array":
        return [_native(v) for v in value[1:]]
    if value[0] == "float":
        return _float(value)
    return value[1]


def _float(value: Value) -> Any:
    bits = pa.py_buffer(bytes.fromhex(value[1])[::-1])
    return pa.Array.from_buffers(pa.float64(), 1, [None, bits])[0].as_py()


def _entry(value: Value) -> dict[str, Any]:
    if value[0] in _SCALARS:
        return {value[0]: _native(value)}
    return {"other": wire_value(value).SerializeToString()}


def wire_value(value: Value) -> AnyValue:
    match value[0]:
        case "none":
            return AnyValue()
        case "array":
            return AnyValue(array_value=ArrayValue(values=[wire_value(v) for v in value[1:]]))
        case "kvlist":
            pairs = [KeyValue(key=key, value=wire_value(v)) for key, v in value[1:]]
            return AnyValue(kvlist_value=KeyValueList(values=pairs))
        case "float":
            return AnyValue(double_value=_native(value))
        case "int":
            return AnyValue(int_value=value[1])
        case "bool":
            return AnyValue(bool_value=value[1])
        case "bytes":
            return AnyValue(bytes_value=value[1])
    return AnyValue(string_value=value[1])
