"""Zipkin's version 2 in protobuf."""

from __future__ import annotations

import ipaddress
from typing import Final

from google.protobuf.message import DecodeError

from tempo_dask.ingest.receivers.pb import zipkin_pb2
from tempo_dask.ingest.receivers.zipkin_model import Annotation, Endpoint, Span
from tempo_dask.ingest.records import MalformedRequest

_KINDS: Final = ("", "CLIENT", "SERVER", "PRODUCER", "CONSUMER")


def read_spans(body: bytes) -> list[Span]:
    """Return the spans of a body. Raises MalformedRequest."""
    try:
        spans = zipkin_pb2.ListOfSpans.FromString(body).spans
    except DecodeError as error:
        msg = "proto:\u00a0cannot parse invalid wire-format data"
        raise MalformedRequest(msg) from error
    return [_span(span) for span in spans]


def _span(span: zipkin_pb2.Span) -> Span:
    return Span(
        trace_id=_id(span.trace_id, 16, "TraceID"),
        span_id=_id(span.id, 8, "Span ID"),
        parent_id=_id(span.parent_id, 8, "Parent ID") if span.parent_id else 0,
        name=span.name,
        kind=_KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else "",
        start_us=span.timestamp,
        duration_us=span.duration,
        local=_endpoint(span.local_endpoint),
        remote=_endpoint(span.remote_endpoint),
        annotations=[Annotation(annotation.timestamp, annotation.value) for annotation in span.annotations],
        tags=dict(span.tags),
        is_shared=span.shared,
    )


def _id(raw: bytes, size: int, what: str) -> int:
    if len(raw) != size:
        msg = f"invalid {what}: has length {len(raw)} yet wanted length {size}"
        raise MalformedRequest(msg)
    return int.from_bytes(raw, "big")


def _endpoint(endpoint: zipkin_pb2.Endpoint) -> Endpoint:
    raw = endpoint.ipv6 if len(endpoint.ipv6) == 16 else endpoint.ipv4  # what is no address is none
    ip = ipaddress.ip_address(raw).compressed if len(raw) in (4, 16) else ""
    return Endpoint(endpoint.service_name, ip, endpoint.port)
