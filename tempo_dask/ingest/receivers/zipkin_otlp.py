"""Zipkin's version 2 to OTLP, row by row as the OpenTelemetry Collector does it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2 as otlp

from tempo_dask.ingest.receivers.otlp_building import (
    NANOSECONDS_IN_MICROSECOND,
    Value,
    add_attributes,
    unsigned,
)
from tempo_dask.ingest.receivers.zipkin_encoded import fill_event, take_links
from tempo_dask.ingest.receivers.zipkin_model import Endpoint, Span
from tempo_dask.ingest.receivers.zipkin_resource import RESOURCE_TAGS

_KINDS: Final = {
    "CLIENT": otlp.Span.SPAN_KIND_CLIENT,
    "SERVER": otlp.Span.SPAN_KIND_SERVER,
    "PRODUCER": otlp.Span.SPAN_KIND_PRODUCER,
    "CONSUMER": otlp.Span.SPAN_KIND_CONSUMER,
}
_CODES: Final = {
    "STATUS_CODE_OK": otlp.Status.STATUS_CODE_OK,
    "Ok": otlp.Status.STATUS_CODE_OK,
    "STATUS_CODE_ERROR": otlp.Status.STATUS_CODE_ERROR,
    "Error": otlp.Status.STATUS_CODE_ERROR,
}
_NO_START: Final = "otel.zipkin.absentField.startTime"
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def to_otlp(spans: Sequence[Span], *, parse_string_tags: bool = False) -> bytes:
    """Return spans as an OTLP request. Raises MalformedRequest where a tag or an annotation cannot be read."""
    by_service: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_service[span.local.service_name].append(span)
    request = ExportTraceServiceRequest()
    for service, group in sorted(by_service.items()):
        _fill(request.resource_spans.add(), service, group, parse_string_tags)
    body: bytes = request.SerializeToString()
    return body


def _fill(to: otlp.ResourceSpans, service: str, spans: Sequence[Span], parse_string_tags: bool) -> None:
    """Add the spans of a service; the resource holds what any of their tags says of it, the last one counting."""
    resource: dict[str, Value] = {"service.name": service}
    scopes: dict[tuple[str, str], otlp.ScopeSpans] = {}
    for span in spans:
        tags = dict(span.tags)
        for key in RESOURCE_TAGS & tags.keys():
            resource[key] = tags.pop(key)
        scope = (tags.pop("otel.library.name", ""), tags.pop("otel.library.version", ""))
        if scope not in scopes:
            scopes[scope] = to.scope_spans.add()
            scopes[scope].scope.name, scopes[scope].scope.version = scope
        _fill_span(scopes[scope].spans.add(), span, tags, parse_string_tags)
    if not service:
        del resource["service.name"]
    add_attributes(to.resource.attributes, resource)


def _fill_span(to: otlp.Span, span: Span, tags: dict[str, str], parse_string_tags: bool) -> None:
    to.trace_id = span.trace_id.to_bytes(16, "big")
    to.span_id = span.span_id.to_bytes(8, "big")
    if parent_id := _parent_id(span):
        to.parent_span_id = parent_id.to_bytes(8, "big")
    to.name = span.name
    to.kind = _kind(span, tags)
    to.start_time_unix_nano = unsigned(span.start_us * NANOSECONDS_IN_MICROSECOND)
    to.end_time_unix_nano = unsigned((span.start_us + span.duration_us) * NANOSECONDS_IN_MICROSECOND)
    to.trace_state = tags.pop("w3c.tracestate", "")
    to.status.CopyFrom(_status(tags))
    take_links(to, tags)
    for annotation in span.annotations:
        time_ns = unsigned(annotation.time_us * NANOSECONDS_IN_MICROSECOND)
        fill_event(to.events.add(time_unix_nano=time_ns), annotation.value)
    attributes: dict[str, Value] = {key: _typed(v) if parse_string_tags else v for key, v in tags.items()}
    attributes |= _of_endpoints(span.local, span.remote)
    if not span.start_us:
        attributes[_NO_START] = True
    add_attributes(to.attributes, attributes)


def _parent_id(span: Span) -> int:
    """Return the parent, 0 for none. A shared span without one is the server's half of a client's span of its id."""
    if span.parent_id not in (0, span.span_id):
        return span.parent_id
    return span.span_id if span.is_shared and span.kind == "SERVER" else 0


def _kind(span: Span, tags: dict[str, str]) -> otlp.Span.SpanKind.ValueType:
    if span.kind in _KINDS:
        return _KINDS[span.kind]
    is_internal = tags.pop("span.kind", "") == "internal"
    return otlp.Span.SPAN_KIND_INTERNAL if is_internal else otlp.Span.SPAN_KIND_UNSPECIFIED


def _status(tags: dict[str, str]) -> otlp.Status:
    """Return the status that tags say, and remove those that say nothing else."""
    status = otlp.Status()
    word = tags.pop("otel.status_code", None)
    if word is not None:
        status.code = _CODES.get(word, otlp.Status.STATUS_CODE_UNSET)
        status.message = tags.pop("otel.status_description", "")
    if "error" in tags:
        status.code = otlp.Status.STATUS_CODE_ERROR
        if tags["error"] == "true":
            del tags["error"]
    return status


def _of_endpoints(local: Endpoint, remote: Endpoint) -> dict[str, Value]:
    said: dict[str, Value] = {
        "net.host.ip": local.ip,
        "net.host.port": local.port,
        "peer.service": remote.service_name,
        "net.peer.ip": remote.ip,
        "net.peer.port": remote.port,
    }
    return {key: value for key, value in said.items() if value}


def _typed(text: str) -> Value:
    """Return the number or boolean that a text looks like, else the text."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text == "true" if text in ("true", "false") else text
