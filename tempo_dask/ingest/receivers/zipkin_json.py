"""Zipkin's version 2 in JSON: a list of spans."""

from __future__ import annotations

import ipaddress

from tempo_dask.ingest.receivers.go_texts import mismatch, parse_json, parse_uint
from tempo_dask.ingest.receivers.json_objects import JsonObject, flag, inner, objects, text, unsigned
from tempo_dask.ingest.receivers.zipkin_model import Annotation, Endpoint, Span
from tempo_dask.ingest.records import MalformedRequest

_LOW_DIGITS = 16
_UINT16 = 1 << 16


def read_spans(body: bytes) -> list[Span]:
    """Return the spans of a body. Raises MalformedRequest."""
    found = parse_json(body)
    if found is None:
        return []
    if not isinstance(found, list):
        msg = "json: cannot unmarshal object into Go value of type []*model.SpanModel"
        raise MalformedRequest(msg)
    return [_span(span) for span in found]


def _span(span: object) -> Span:
    if not isinstance(span, dict):
        raise mismatch(span, "span", "object")
    made = Span(
        trace_id=_trace_id(text(span, "traceId")),
        span_id=_id(text(span, "id")),
        parent_id=_id(text(span, "parentId")),
        name=text(span, "name"),
        kind=text(span, "kind"),
        start_us=unsigned(span, "timestamp"),
        duration_us=unsigned(span, "duration"),
        local=_endpoint(inner(span, "localEndpoint")),
        remote=_endpoint(inner(span, "remoteEndpoint")),
        annotations=[
            Annotation(unsigned(annotation, "timestamp"), text(annotation, "value"))
            for annotation in objects(span, "annotations")
        ],
        tags={key: text(inner(span, "tags"), key) for key in inner(span, "tags")},
        is_shared=flag(span, "shared"),
    )
    if not made.span_id:
        msg = "valid span id required"
        raise MalformedRequest(msg)
    return made


def _trace_id(digits: str) -> int:
    """Return an id of up to 32 hexadecimal digits."""
    if len(digits) <= _LOW_DIGITS:
        return _id(digits)
    return parse_uint(digits[:-_LOW_DIGITS], 16) << 64 | parse_uint(digits[-_LOW_DIGITS:], 16)


def _id(digits: str) -> int:
    return parse_uint(digits, 16) if digits else 0


def _endpoint(endpoint: JsonObject) -> Endpoint:
    return Endpoint(
        service_name=text(endpoint, "serviceName"),
        ip=_address(text(endpoint, "ipv6") or text(endpoint, "ipv4")),
        port=unsigned(endpoint, "port", _UINT16, "uint16"),
    )


def _address(said: str) -> str:
    """Return an IP address as it is usually written. What is none stays as it is: no span is lost for its sake."""
    try:
        return ipaddress.ip_address(said).compressed
    except ValueError:
        return said
