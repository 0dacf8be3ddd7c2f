"""Zipkin's version 1 in JSON: a list of spans."""

from __future__ import annotations

from collections.abc import Sequence

from tempo_dask.ingest.receivers.go_texts import mismatch, parse_json
from tempo_dask.ingest.receivers.json_objects import JsonObject, flag, inner, objects, text, unsigned
from tempo_dask.ingest.receivers.zipkin_v1 import Annotation, Endpoint, Span
from tempo_dask.ingest.records import MalformedRequest

_UINT16 = 1 << 16


def read_spans(body: bytes) -> Sequence[Span]:
    """Return the spans of a body. Raises MalformedRequest."""
    try:
        found = parse_json(body)
        if found is None:
            return []
        if not isinstance(found, list):
            raise mismatch(found, "spans", "array")
        return [_span(span) for span in found]
    except MalformedRequest as error:
        if str(error).startswith("zipkinV1"):
            raise
        msg = f"zipkinv1: {error}"
        raise MalformedRequest(msg) from error


def _span(span: object) -> Span:
    if not isinstance(span, dict):
        raise mismatch(span, "span", "object")
    flag(span, "debug")
    tags = objects(span, "binaryAnnotations")
    return Span(
        trace_id=_id(span, "traceId", (16, 32)).rjust(16, b"\0"),
        span_id=_id(span, "id", (16,)),
        parent_id=_id(span, "parentId", (16,)) if text(span, "parentId") else bytes(8),
        name=text(span, "name"),
        start_us=unsigned(span, "timestamp"),
        duration_us=unsigned(span, "duration"),
        annotations=[
            Annotation(unsigned(a, "timestamp"), text(a, "value"), _endpoint(inner(a, "endpoint")))
            for a in objects(span, "annotations")
        ],
        tags=[(text(tag, "key"), text(tag, "value")) for tag in tags],
        tagged_by=[text(inner(tag, "endpoint"), "serviceName") for tag in tags],
    )


def _id(span: JsonObject, field: str, lengths: tuple[int, ...]) -> bytes:
    digits = text(span, field)
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(digits) not in lengths or 2 * len(raw) != len(digits):
        expected = " or ".join(map(str, lengths))
        msg = f"zipkinV1 span {field}: hex {field} span has wrong length (expected {expected})"
        raise MalformedRequest(msg)
    return raw


def _endpoint(endpoint: JsonObject) -> Endpoint:
    port = unsigned(endpoint, "port", _UINT16, "uint16")
    return Endpoint(
        text(endpoint, "serviceName"), text(endpoint, "ipv4"), text(endpoint, "ipv6"), str(port) if port else ""
    )
