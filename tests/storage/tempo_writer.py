"""Blocks as Tempo writes them, made row by row from plain spans: a slow writer that says how its formats look.

Differences that Parquet readers see past are left out: vParquet5's repeated groups are lists here (recorded blocks
have them), and there are no columns that follow from others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from tests.otlp_oracle import WRAP, Attributes, Event, Link, Resource, Scope, Span, Value
from tests.storage.builder import wire_value

TENANT = "single-tenant"
#: Attributes that have a column: scope, key, type. Those of type int or of events are vParquet5's.
DEDICATED = (("span", "a", "string"), ("resource", "a.b::c", "string"), ("span", "a", "int"), ("event", "a", "string"))
_LISTS = {"str": "Value", "int": "ValueInt", "float": "ValueDouble", "bool": "ValueBool"}

_ATTRIBUTE = pa.struct(
    [
        pa.field("Key", pa.string(), False),
        pa.field("IsArray", pa.bool_(), False),
        pa.field("Value", pa.list_(pa.string()), False),
        pa.field("ValueInt", pa.list_(pa.int64()), False),
        pa.field("ValueDouble", pa.list_(pa.float64()), False),
        pa.field("ValueBool", pa.list_(pa.bool_()), False),
        pa.field("ValueUnsupported", pa.string()),
    ]
)
_ATTRIBUTE_3 = pa.struct(
    [
        pa.field("Key", pa.string(), False),
        pa.field("Value", pa.string()),
        pa.field("ValueInt", pa.int64()),
        pa.field("ValueDouble", pa.float64()),
        pa.field("ValueBool", pa.bool_()),
        pa.field("ValueKVList", pa.string(), False),
        pa.field("ValueArray", pa.string(), False),
    ]
)
_WIRE_ATTRIBUTE = pa.struct([("Key", pa.string()), ("Value", pa.binary())])


def bare(span: Span, format_name: str) -> Span:
    """Return a span without what Tempo does not store."""
    scope = replace(span.scope, schema_url="")
    links = span.links
    if format_name == "vParquet3":
        scope = replace(scope, attributes=(), dropped_attributes=0)
    else:
        links = tuple(replace(link, flags=0) for link in links)
    return replace(span, flags=0, links=links, resource=replace(span.resource, schema_url=""), scope=scope)


def write_block(folder: Path, spans: Sequence[Span], format_name: str, row_group_size: int = 1000) -> None:
    """Write `meta.json` and `data.parquet`; the folder's name is the block's id."""
    by_trace = groupby(sorted(spans, key=lambda span: span.trace_id), key=lambda span: span.trace_id)
    rows = [_trace(trace_id, list(of_trace), format_name) for trace_id, of_trace in by_trace]
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(rows, schema=_schema(format_name))
    pq.write_table(table, folder / "data.parquet", row_group_size=row_group_size)
    meta = {
        "format": format_name,
        "blockID": folder.name,
        "tenantID": TENANT,
        "startTime": "2026-01-01T00:00:00Z",
        "endTime": "2025-01-01T00:00:00Z",  # Tempo's times may be as wrong as this
        "totalObjects": len(rows),
        "size": (folder / "data.parquet").stat().st_size,
        "compactionLevel": 1,
        "dedicatedColumns": [_described(*each) for each in DEDICATED],
    }
    (folder / "meta.json").write_text(json.dumps(meta))


def _described(scope: str, key: str, type_name: str) -> dict[str, str]:
    described = {"s": scope, "n": key, "t": type_name}
    return {name: value for name, value in described.items() if value not in {"span", "string"}}


def _schema(format_name: str) -> pa.Schema:
    is_old = format_name == "vParquet3"
    attributes = pa.field("Attrs", pa.list_(_ATTRIBUTE_3 if is_old else _ATTRIBUTE), False)
    dropped = ("DroppedAttributesCount", pa.int32())
    text = pa.list_(pa.string()) if format_name == "vParquet5" else pa.string()
    number = pa.list_(pa.int64())
    dedicated = ("DedicatedAttributes", pa.struct([("String01", text), ("Int01", number)]))
    event_attributes = pa.list_(_WIRE_ATTRIBUTE) if is_old else attributes.type
    event = [
        ("TimeUnixNano" if is_old else "TimeSinceStartNano", pa.uint64()),
        ("Name", pa.string()),
        ("Attrs", event_attributes),
        dropped,
    ]
    link = [("TraceID", pa.binary()), ("SpanID", pa.binary()), ("TraceState", pa.string()), attributes, dropped]
    span = [
        *((name, pa.binary()) for name in ("SpanID", "ParentSpanID")),
        *((name, pa.string()) for name in ("Name", "TraceState", "StatusMessage")),
        *((name, pa.int64()) for name in ("Kind", "StatusCode")),
        *((name, pa.uint64()) for name in ("StartTimeUnixNano", "DurationNano")),
        attributes,
        *((name, pa.int32()) for name in ("DroppedAttributesCount", "DroppedEventsCount", "DroppedLinksCount")),
        ("Events", pa.list_(pa.struct([*event, dedicated]))),
        ("Links", pa.binary() if is_old else pa.list_(pa.struct(link))),
        dedicated,
    ]
    scope = [("Name", pa.string()), ("Version", pa.string()), *(() if is_old else (attributes, dropped))]
    scope_spans = [("Scope", pa.struct(scope)), ("Spans", pa.list_(pa.struct(span)))]
    resource = [attributes, dropped, ("ServiceName", pa.string()), dedicated]
    resource_spans = [("Resource", pa.struct(resource)), ("ss", pa.list_(pa.struct(scope_spans)))]
    return pa.schema(
        [
            pa.field("TraceID", pa.binary(), False),
            pa.field("StartTimeUnixNano", pa.uint64(), False),
            pa.field("EndTimeUnixNano", pa.uint64(), False),
            pa.field("rs", pa.list_(pa.struct(resource_spans)), False),
        ]
    )


def _trace(trace_id: bytes, spans: Sequence[Span], format_name: str) -> dict[str, Any]:
    resources = []
    for resource, of_resource in groupby(spans, key=lambda span: span.resource):
        scopes = [
            {"Scope": _scope(scope, format_name), "Spans": [_span(span, format_name) for span in of_scope]}
            for scope, of_scope in groupby(of_resource, key=lambda span: span.scope)
        ]
        resources.append({"Resource": _resource(resource, format_name), "ss": scopes})
    return {
        "TraceID": trace_id,
        "StartTimeUnixNano": min(span.start for span in spans),
        "EndTimeUnixNano": max(span.end for span in spans),
        "rs": resources,
    }


def _resource(resource: Resource, format_name: str) -> dict[str, Any]:
    names, rest = _take_first(resource.attributes, lambda pair: pair[0] == "service.name" and _is_name(pair[1]))
    return {
        **_attributes(rest, "resource", format_name),
        "DroppedAttributesCount": _signed(resource.dropped_attributes),
        "ServiceName": names[0][1] if names else "",
    }


def _is_name(value: Value) -> bool:
    return bool(value[0] == "str" and value[1])


def _scope(scope: Scope, format_name: str) -> dict[str, Any]:
    return {
        "Name": scope.name,
        "Version": scope.version,
        **_attributes(scope.attributes, "instrumentation", format_name),
        "DroppedAttributesCount": _signed(scope.dropped_attributes),
    }


def _span(span: Span, format_name: str) -> dict[str, Any]:
    wire = format_name == "vParquet3"
    return {
        "SpanID": span.span_id,
        "ParentSpanID": span.parent_span_id or b"",
        "Name": span.name,
        "TraceState": span.trace_state,
        "StatusMessage": span.status_message,
        "Kind": span.kind,
        "StatusCode": span.status,
        "StartTimeUnixNano": span.start,
        "DurationNano": (span.end - span.start) % WRAP,
        **_attributes(span.attributes, "span", format_name),
        "DroppedAttributesCount": _signed(span.dropped_attributes),
        "DroppedEventsCount": _signed(span.dropped_events),
        "DroppedLinksCount": _signed(span.dropped_links),
        "Events": [_event(event, span.start, format_name) for event in span.events],
        "Links": _wire_links(span.links) if wire else [_link(link, format_name) for link in span.links],
    }


def _event(event: Event, start: int, format_name: str) -> dict[str, Any]:
    found = {
        "TimeUnixNano": event.time,
        "TimeSinceStartNano": (event.time - start) % WRAP,
        "Name": event.name,
        "DroppedAttributesCount": _signed(event.dropped_attributes),
    }
    if format_name == "vParquet3":
        wire = [(key, wire_value(value).SerializeToString()) for key, value in event.attributes]
        return {**found, "Attrs": [{"Key": key, "Value": value} for key, value in wire]}
    return {**found, **_attributes(event.attributes, "event", format_name)}


def _link(link: Link, format_name: str) -> dict[str, Any]:
    return {
        "TraceID": link.trace_id or b"",
        "SpanID": link.span_id or b"",
        "TraceState": link.trace_state,
        **_attributes(link.attributes, "link", format_name),
        "DroppedAttributesCount": _signed(link.dropped_attributes),
    }


def _wire_links(links: Sequence[Link]) -> bytes:
    """Return links as vParquet3 has them: a message whose field 1 they are."""
    encoded = [
        WireSpan.Link(
            trace_id=link.trace_id or b"",
            span_id=link.span_id or b"",
            trace_state=link.trace_state,
            flags=link.flags,
            dropped_attributes_count=link.dropped_attributes,
            attributes=[KeyValue(key=key, value=wire_value(value)) for key, value in link.attributes],
        ).SerializeToString()
        for link in links
    ]
    return b"".join(b"\x0a" + _varint(len(link)) + link for link in encoded)


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


def _attributes(attributes: Attributes, scope: str, format_name: str) -> dict[str, Any]:
    """Return the list of attributes, and the dedicated columns, each with the first value that fits."""
    is_new = format_name == "vParquet5"
    dedicated: dict[str, Any] = {"String01": [] if is_new else None, "Int01": [] if is_new else None}
    for of_scope, key, type_name in DEDICATED:
        if of_scope == scope and (is_new or (type_name == "string" and scope != "event")):
            kind = {"string": "str", "int": "int"}[type_name]
            found, attributes = _take_first(attributes, lambda pair, k=key, t=kind: (pair[0], pair[1][0]) == (k, t))
            values = [value[1] for value in found]
            dedicated[f"{type_name.capitalize()}01"] = values if is_new else next(iter(values), None)
    encode = _old_attribute if format_name == "vParquet3" else _attribute
    return {"Attrs": [encode(key, value) for key, value in attributes], "DedicatedAttributes": dedicated}


def _take_first(
    attributes: Attributes, is_meant: Callable[[tuple[str, Value]], bool]
) -> tuple[list[Value], Attributes]:
    """Return the value of the first attribute that is meant, if there is one, and all other attributes."""
    at = next((at for at, pair in enumerate(attributes) if is_meant(pair)), None)
    if at is None:
        return [], attributes
    return [attributes[at][1]], (*attributes[:at], *attributes[at + 1 :])


def _attribute(key: str, value: Value) -> dict[str, Any]:
    lists: dict[str, list[Any]] = {name: [] for name in _LISTS.values()}
    row = {"Key": key, "IsArray": value[0] == "array", "ValueUnsupported": None, **lists}
    kinds = {element[0] for element in value[1:]} if value[0] == "array" else {value[0]}
    if value == ("array",):
        return row
    if len(kinds) == 1 and (kind := kinds.pop()) in _LISTS:
        elements = value[1:] if value[0] == "array" else [value]
        row[_LISTS[kind]] = [_native(element) for element in elements]
        return row
    return {**row, "IsArray": False, "ValueUnsupported": MessageToJson(wire_value(value), indent=None)}


def _old_attribute(key: str, value: Value) -> dict[str, Any]:
    row: dict[str, Any] = {"Key": key, "ValueKVList": "", "ValueArray": ""}
    if value[0] in _LISTS:
        row[_LISTS[value[0]]] = _native(value)
    elif value[0] != "none":
        row["ValueArray" if value[0] == "array" else "ValueKVList"] = MessageToJson(wire_value(value), indent=None)
    return row


def _native(value: Value) -> Any:
    return wire_value(value).double_value if value[0] == "float" else value[1]


def _signed(count: int) -> int:
    return count - 2**32 if count >= 2**31 else count
