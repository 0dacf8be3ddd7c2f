"""OTLP/JSON to the protobuf bytes that the write path takes.

Protobuf's own JSON mapping does the work, but for three rules of OTLP: ids are hex, an enum may have any number
but no unknown name, and what follows the object is ignored.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tempo_dask.ingest.records import MalformedRequest

_FIELD = re.compile(r"Failed to parse (\S+) field: ")
#: Fields that hold ids, in both spellings, and their size in bytes.
_ID_SIZES: Mapping[str, int] = {
    "traceId": 16, "trace_id": 16,
    "spanId": 8, "span_id": 8,
    "parentSpanId": 8, "parent_span_id": 8,
}  # fmt: skip
#: The lists of objects that lead from a request to its spans and their links.
_CHILDREN = ("resourceSpans", "resource_spans", "scopeSpans", "scope_spans", "spans", "links")


def to_protobuf(body: bytes) -> bytes:
    """Return an OTLP/JSON request as protobuf. Raises MalformedRequest, saying what was expected."""
    request = _parse(body)
    try:
        for node in _nodes(request):
            _convert(node)
        message = json_format.ParseDict(request, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        raise MalformedRequest(_shorter(str(error))) from error
    return message.SerializeToString()


def _shorter(text: str) -> str:
    """Return the parser's message with the way to the field as a dotted path, of which the end is kept."""
    path = _FIELD.findall(text)
    return ".".join(path[-6:]) + ": " * bool(path) + _FIELD.sub("", text)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        value, _ = json.JSONDecoder().raw_decode(body.decode().lstrip())
    except (ValueError, RecursionError) as error:
        msg = f"expected a JSON object: {error}"
        raise MalformedRequest(msg) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        msg = f"expected a JSON object, found {type(value).__name__}"
        raise MalformedRequest(msg)
    return value


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a message and all below it that may hold ids or enums."""
    yield node
    for key in _CHILDREN:
        children = node.get(key)
        if isinstance(children, list):
            for child in children:
                if isinstance(child, dict):
                    yield from _nodes(child)


def _convert(node: dict[str, Any]) -> None:
    """Rewrite the ids of one message as base64, and check its enums by name."""
    for key, size in _ID_SIZES.items():
        if (text := node.get(key)) is not None:
            node[key] = _base64_id(key, text, size)
    _require_known_name(node.get("kind"), Span.SpanKind.keys())
    if isinstance(status := node.get("status"), dict):
        _require_known_name(status.get("code"), Status.StatusCode.keys())


def _base64_id(key: str, text: object, size: int) -> str:
    """Return a hex id as base64; empty stays empty, which is an id that is absent."""
    try:
        raw = binascii.unhexlify(text) if isinstance(text, str) else None
    except ValueError:
        raw = None
    if raw is None or len(raw) not in (0, size):
        msg = f"ID.UnmarshalJSONIter: length mismatch, {key} must be {2 * size} hexadecimal digits"
        raise MalformedRequest(msg)
    return base64.b64encode(raw).decode()


def _require_known_name(value: object, names: list[str]) -> None:
    if isinstance(value, str) and value not in names and not value.isdigit():
        msg = f"ReadEnumValue: unknown string value {value!r}, expected one of {', '.join(names)}"
        raise MalformedRequest(msg)
