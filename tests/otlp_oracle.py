"""A slow, obvious oracle: OTLP requests and span tables as plain Python values that can be compared.

`requests_to_spans` reads request bodies with upb; `tables_to_spans` reads `SpanTables`, as decoded or sorted.
Both give the same form, so equality field by field is `==` on lists. The order of attributes says nothing and
is taken away (a key may stand twice: attributes are a multiset); the order of spans, events, links and of what
is nested in arrays and maps is kept. Use `by_id` where the order of spans says nothing either.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from storage.columns import SpanTables, is_attribute_column, split_column_name

#: ("str", "x"), ("int", 1), ("float", "3ff0000000000000"), ("bool", True), ("bytes", b""), ("none",),
#: ("array", value, ...), ("kvlist", (key, value), ...). Floats are their bits in hex: NaN equals itself.
Value = tuple[Any, ...]
Attributes = tuple[tuple[str, Value], ...]
WRAP = 1 << 64


@dataclass(frozen=True, slots=True)
class Resource:
    attributes: Attributes = ()
    dropped_attributes: int = 0
    schema_url: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    name: str = ""
    version: str = ""
    attributes: Attributes = ()
    dropped_attributes: int = 0
    schema_url: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    time: int
    name: str
    attributes: Attributes
    dropped_attributes: int


@dataclass(frozen=True, slots=True)
class Link:
    trace_id: bytes | None
    span_id: bytes | None
    trace_state: str
    flags: int
    attributes: Attributes
    dropped_attributes: int


@dataclass(frozen=True, slots=True)
class Span:
    """A span with all it carries; times in ns modulo 2**64, absent ids None."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    start: int
    end: int
    name: str
    kind: int
    status: int
    status_message: str
    trace_state: str
    flags: int
    attributes: Attributes
    dropped_attributes: int
    dropped_events: int
    dropped_links: int
    events: tuple[Event, ...]
    links: tuple[Link, ...]
    resource: Resource
    scope: Scope


def by_id(spans: Iterable[Span]) -> list[Span]:
    """Sort spans by trace and span id, equal ids by all they carry."""
    return sorted(spans, key=lambda span: (span.trace_id, span.span_id, repr(span)))


def requests_to_spans(bodies: Iterable[bytes]) -> list[Span]:
    """Return the spans of `ExportTraceServiceRequest` bodies in order of arrival."""
    return [span for body in bodies for span in _spans_of(ExportTraceServiceRequest.FromString(body))]


def _spans_of(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource_spans in request.resource_spans:
        wire = resource_spans.resource
        resource = Resource(_attributes(wire.attributes), wire.dropped_attributes_count, resource_spans.schema_url)
        for scope_spans in resource_spans.scope_spans:
            named = scope_spans.scope
            scope = Scope(
                named.name,
                named.version,
                _attributes(named.attributes),
                named.dropped_attributes_count,
                scope_spans.schema_url,
            )
            for span in scope_spans.spans:
                yield _span(span, resource, scope)


def _span(span: WireSpan, resource: Resource, scope: Scope) -> Span:
    return Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=_id(span.parent_span_id),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        name=span.name,
        kind=span.kind,
        status=span.status.code,
        status_message=span.status.message,
        trace_state=span.trace_state,
        flags=span.flags,
        attributes=_attributes(span.attributes),
        dropped_attributes=span.dropped_attributes_count,
        dropped_events=span.dropped_events_count,
        dropped_links=span.dropped_links_count,
        events=tuple(
            Event(e.time_unix_nano, e.name, _attributes(e.attributes), e.dropped_attributes_count) for e in span.events
        ),
        links=tuple(
            Link(
                _id(link.trace_id),
                _id(link.span_id),
                link.trace_state,
                link.flags,
                _attributes(link.attributes),
                link.dropped_attributes_count,
            )
            for link in span.links
        ),
        resource=resource,
        scope=scope,
    )


def _id(value: bytes) -> bytes | None:
    """Return an id, or None where it is empty or all zero: both count as absent."""
    return value if any(value) else None


def _attributes(wire: Iterable[KeyValue]) -> Attributes:
    return _multiset((pair.key, _value(pair.value)) for pair in wire)


def _multiset(pairs: Iterable[tuple[str, Value]]) -> Attributes:
    return tuple(sorted(pairs, key=repr))


def _value(wire: AnyValue) -> Value:
    kind = wire.WhichOneof("value")
    match kind:
        case None:
            return ("none",)
        case "array_value":
            return ("array", *map(_value, wire.array_value.values))
        case "kvlist_value":
            return ("kvlist", *((pair.key, _value(pair.value)) for pair in wire.kvlist_value.values))
        case "double_value":
            return _float(wire.double_value)
    names = {"string_value": "str", "int_value": "int", "bool_value": "bool", "bytes_value": "bytes"}
    return (names.get(kind, kind), getattr(wire, kind))


def _float(value: float) -> Value:
    return ("float", struct.pack(">d", value).hex())


def tables_to_spans(tables: SpanTables) -> list[Span]:
    """Return the spans of tables in the order of their rows."""
    resources = [
        Resource(attributes, row["dropped_attributes"], row["schema_url"])
        for row, attributes in _rows(tables.resources)
    ]
    scopes = [
        Scope(row["name"], row["version"], attributes, row["dropped_attributes"], row["schema_url"])
        for row, attributes in _rows(tables.scopes)
    ]
    events: dict[int, list[Event]] = {}
    for row, attributes in _rows(tables.events):
        event = Event(row["time"] % WRAP, row["name"], attributes, row["dropped_attributes"])
        events.setdefault(row["span"], []).append(event)
    links: dict[int, list[Link]] = {}
    for row, attributes in _rows(tables.links):
        names = ("trace_id", "span_id", "trace_state", "flags")
        link = Link(*(row[name] for name in names), attributes, row["dropped_attributes"])
        links.setdefault(row["span"], []).append(link)
    same = [
        "trace_id",
        "span_id",
        "parent_span_id",
        "name",
        "kind",
        "status",
        "status_message",
        "trace_state",
        "flags",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
    ]
    return [
        Span(
            **{name: row[name] for name in same},
            start=row["start"] % WRAP,
            end=(row["start"] + row["duration_ns"]) % WRAP,
            attributes=attributes,
            events=tuple(events.get(number, ())),
            links=tuple(links.get(number, ())),
            resource=resources[row["resource"]],
            scope=scopes[row["scope"]],
        )
        for number, (row, attributes) in enumerate(_rows(tables.spans))
    ]


def _rows(table: pa.Table) -> Iterator[tuple[dict[str, Any], Attributes]]:
    """Yield the own columns of each row by name, and its attributes from their columns and from `rest`."""
    own = {name: _values(table, name) for name in table.column_names if not is_attribute_column(name)}
    rest = own.pop("rest", [None] * table.num_rows)
    pairs: list[list[tuple[str, Value]]] = [[] for _ in range(table.num_rows)]
    for name in filter(is_attribute_column, table.column_names):
        _, key, type_name = split_column_name(name)
        for row, value in enumerate(_values(table, name)):
            if value is not None:
                pairs[row].append((key, _typed(type_name, value)))
    for row, entries in enumerate(rest):
        pairs[row].extend((entry["key"], _of_rest(entry)) for entry in entries or ())
    for row in range(table.num_rows):
        yield {name: values[row] for name, values in own.items()}, _multiset(pairs[row])


def _values(table: pa.Table, name: str) -> list[Any]:
    column = table[name]
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()


def _typed(type_name: str, value: Any) -> Value:
    if type_name.endswith("[]"):
        return ("array", *(_typed(type_name[:-2], item) for item in value))
    return _float(value) if type_name == "float" else (type_name, value)


def _of_rest(entry: dict[str, Any]) -> Value:
    [(type_name, value)] = [(name, value) for name, value in entry.items() if name != "key" and value is not None]
    return _value(AnyValue.FromString(value)) if type_name == "other" else _typed(type_name, value)


def verdict(body: bytes) -> tuple[str | None, bool, int]:
    """Return what becomes of a request body: the error, whether it does not decode, how many spans it has.

    A body that upb refuses has the error "malformed", whatever is wrong with it.
    """
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return "malformed", True, 0
    if (error := _bad_id(body, (*PATH, *LINK_PATH))) is not None:
        return error, True, 0
    spans = [s for r in request.resource_spans for ss in r.scope_spans for s in ss.spans]
    for span in spans:
        if _id(span.trace_id) is None:
            return "trace ids must be 128 bit, received 0 bits", False, len(spans)
        if _id(span.span_id) is None:
            return "span ids must be 64 bit and not all zero, received 0 bits", False, len(spans)
    return None, False, len(spans)


#: The fields that lead from a request to a span, and from there to a link; the ids of spans and links.
PATH = (1, 2, 2)
LINK_PATH = (13,)
SPAN_IDS = {1: 16, 2: 8, 4: 8}
LINK_IDS = {1: 16, 2: 8}


def _bad_id(message: bytes, path: tuple[int, ...]) -> str | None:
    """Return the error of the first id in the wire whose length is wrong: one that a later one replaces counts too."""
    ids = {1: SPAN_IDS, 0: LINK_IDS}.get(len(path), {})
    for field, wire_type, value in fields(message):
        if wire_type != 2:
            continue
        if field in ids and len(value) not in (0, ids[field]):
            return f"unmarshal: invalid {'TraceID' if ids[field] == 16 else 'SpanID'} length"
        if path and field == path[0] and (error := _bad_id(value, path[1:])) is not None:
            return error
    return None


def fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, wire type and bytes of the fields of a message that is well formed; of groups, nothing inside."""
    at = 0
    depth = 0
    while at < len(message):
        tag, at = _varint(message, at)
        start = at
        match tag & 7:
            case 0:
                _, at = _varint(message, at)
            case 1:
                at += 8
            case 2:
                size, start = _varint(message, at)
                at = start + size
            case 3:
                depth += 1
            case 4:
                depth -= 1
            case 5:
                at += 4
        if depth == 0:
            yield tag >> 3, tag & 7, message[start:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if message[at - 1] < 0x80:
            return value, at


def read_requests(raw: bytes) -> Sequence[bytes]:
    """Cut the length-prefixed container of recorded requests into bodies."""
    bodies, at = [], 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        bodies.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return bodies
