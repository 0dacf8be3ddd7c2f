"""Zipkin's version 1 in Thrift: a list of spans in the binary protocol."""

from __future__ import annotations

import base64
import ipaddress
import struct
from collections.abc import Mapping
from typing import Any, Final

from tempo_dask.ingest.receivers.otlp_building import Value
from tempo_dask.ingest.receivers.thrift_structs import Field, Struct, read_structs
from tempo_dask.ingest.receivers.thrift_wire import I16, I32, I64, LIST, STRING, STRUCT, BinaryReader
from tempo_dask.ingest.receivers.zipkin_v1 import Annotation, Endpoint, Span

_ENDPOINT: Final = Struct(
    "zipkincore.Endpoint",
    {
        1: Field("ipv4", I32),
        2: Field("port", I16),
        3: Field("service_name", STRING, text=True),
        4: Field("ipv6", STRING),
    },
)
_ANNOTATION: Final = Struct(
    "zipkincore.Annotation",
    {
        1: Field("timestamp", I64, required=True),
        2: Field("value", STRING, required=True, text=True),
        3: Field("host", STRUCT, struct=_ENDPOINT),
    },
)
_BINARY_ANNOTATION: Final = Struct(
    "zipkincore.BinaryAnnotation",
    {
        1: Field("key", STRING, required=True, text=True),
        2: Field("value", STRING, required=True),
        3: Field("annotation_type", I32, required=True),
        4: Field("host", STRUCT, struct=_ENDPOINT),
    },
)
_SPAN: Final = Struct(
    "zipkincore.Span",
    {
        1: Field("trace_id", I64, required=True),
        3: Field("name", STRING, text=True),
        4: Field("id", I64, required=True),
        5: Field("parent_id", I64),
        6: Field("annotations", LIST, struct=_ANNOTATION),
        8: Field("binary_annotations", LIST, struct=_BINARY_ANNOTATION),
        10: Field("timestamp", I64),
        11: Field("duration", I64),
        12: Field("trace_id_high", I64),
    },
)
_BOOL, _STRING = 0, 6
#: How numbers are packed, by `annotation_type`.
_NUMBERS: Final = {2: struct.Struct(">h"), 3: struct.Struct(">i"), 4: struct.Struct(">q"), 5: struct.Struct(">d")}


def read_spans(body: bytes) -> list[Span]:
    """Return the spans of a body. Raises MalformedRequest."""
    return [_span(span) for span in read_structs(BinaryReader(body), _SPAN)]


def _span(span: Mapping[str, Any]) -> Span:
    tags = span.get("binary_annotations", ())
    return Span(
        trace_id=_id(span.get("trace_id_high", 0)) + _id(span["trace_id"]),
        span_id=_id(span["id"]),
        parent_id=_id(span.get("parent_id", 0)),
        name=span.get("name", ""),
        start_us=span.get("timestamp", 0),
        duration_us=span.get("duration", 0),
        annotations=[
            Annotation(annotation["timestamp"], annotation["value"], _endpoint(annotation.get("host", {})))
            for annotation in span.get("annotations", ())
        ],
        tags=[(tag["key"], _value(tag["annotation_type"], tag["value"])) for tag in tags],
        tagged_by=[tag.get("host", {}).get("service_name", "") for tag in tags],
    )


def _value(kind: int, raw: bytes) -> Value:
    """Return a typed value; what is not of the size of its type is shown as base64, like bytes."""
    if kind == _STRING:
        return raw.decode(errors="replace")
    if kind == _BOOL and len(raw) == 1:
        return raw == b"\x01"
    if (packed := _NUMBERS.get(kind)) and packed.size == len(raw):
        number: int | float = packed.unpack(raw)[0]
        return number
    return base64.b64encode(raw).decode()


def _endpoint(endpoint: Mapping[str, Any]) -> Endpoint:
    ipv4 = endpoint.get("ipv4", 0) & 0xFFFF_FFFF
    ipv6 = endpoint.get("ipv6", b"")
    port = endpoint.get("port", 0) & 0xFFFF
    return Endpoint(
        service_name=endpoint.get("service_name", ""),
        ipv4=str(ipaddress.IPv4Address(ipv4)) if ipv4 else "",
        ipv6=ipaddress.IPv6Address(ipv6).compressed if len(ipv6) == 16 else "",
        port=str(port) if port else "",
    )


def _id(number: int) -> bytes:
    return number.to_bytes(8, "big", signed=True)
