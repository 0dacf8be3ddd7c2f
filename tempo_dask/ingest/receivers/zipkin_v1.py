"""Zipkin's version 1 to OTLP: who sent, received and answered stands in annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2 as otlp

from tempo_dask.ingest.receivers.jaeger_status import http_status
from tempo_dask.ingest.receivers.otlp_building import (
    NANOSECONDS_IN_MICROSECOND,
    Value,
    add_attributes,
    unsigned,
)

_UNKNOWN_SERVICE: Final = "unknown-service"
#: Annotations that say what kind of span it is, and no more.
_KINDS: Final[Mapping[str, otlp.Span.SpanKind.ValueType]] = {
    "cs": otlp.Span.SPAN_KIND_CLIENT,
    "cr": otlp.Span.SPAN_KIND_CLIENT,
    "sr": otlp.Span.SPAN_KIND_SERVER,
    "ss": otlp.Span.SPAN_KIND_SERVER,
    "ms": otlp.Span.SPAN_KIND_PRODUCER,
    "mr": otlp.Span.SPAN_KIND_CONSUMER,
}
_STARTS: Final = ("cs", "sr")
_ENDS: Final = ("cr", "ss")
#: Codes that `otel.status_code` may say.
_OTEL_CODES: Final = {1: otlp.Status.STATUS_CODE_OK, 2: otlp.Status.STATUS_CODE_ERROR}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who notes; what is not known is ""."""

    service_name: str = ""
    ipv4: str = ""
    ipv6: str = ""
    port: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """Something that happened within a span."""

    time_us: int
    value: str
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Span:
    """A span; ids have 16 and 8 bytes. `tags` are its binary annotations, `tagged_by` the services that note them."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    start_us: int
    duration_us: int
    annotations: Sequence[Annotation]
    tags: Sequence[tuple[str, Value]]
    tagged_by: Sequence[str]


def to_otlp(spans: Sequence[Span]) -> bytes:
    """Return spans as an OTLP request."""
    request = ExportTraceServiceRequest()
    groups: dict[Endpoint, otlp.ScopeSpans] = {}
    for span in spans:
        endpoint = _endpoint_of(span)
        if endpoint not in groups:
            resource_spans = request.resource_spans.add()
            add_attributes(resource_spans.resource.attributes, _resource(endpoint))
            groups[endpoint] = resource_spans.scope_spans.add()
        _fill_span(groups[endpoint].spans.add(), span)
    body: bytes = request.SerializeToString()
    return body


def _endpoint_of(span: Span) -> Endpoint:
    """Return where a span was noted: the endpoint of an annotation, else the service alone that tagged it."""
    for annotation in span.annotations:
        if annotation.endpoint.service_name:
            return annotation.endpoint
    return Endpoint(next(filter(None, span.tagged_by), _UNKNOWN_SERVICE))


def _resource(endpoint: Endpoint) -> dict[str, Value]:
    said: dict[str, Value] = {
        "service.name": endpoint.service_name,
        "ipv4": endpoint.ipv4,
        "ipv6": endpoint.ipv6,
        "port": endpoint.port,
    }
    return {key: value for key, value in said.items() if value}


def _fill_span(to: otlp.Span, span: Span) -> None:
    attributes = {"component" if key == "lc" else key: value for key, value in span.tags}
    to.trace_id = span.trace_id
    to.span_id = span.span_id
    if any(span.parent_id):
        to.parent_span_id = span.parent_id
    to.name = span.name
    to.kind = next((_KINDS[a.value] for a in span.annotations if a.value in _KINDS), otlp.Span.SPAN_KIND_UNSPECIFIED)
    start_us, end_us = _times(span)
    to.start_time_unix_nano = unsigned(start_us * NANOSECONDS_IN_MICROSECOND)
    to.end_time_unix_nano = unsigned(end_us * NANOSECONDS_IN_MICROSECOND)
    to.status.CopyFrom(_status(attributes))
    add_attributes(to.attributes, attributes)
    for annotation in span.annotations:
        if annotation.value not in _KINDS:
            time_ns = unsigned(annotation.time_us * NANOSECONDS_IN_MICROSECOND)
            to.events.add(time_unix_nano=time_ns, name=annotation.value)


def _times(span: Span) -> tuple[int, int]:
    """Return start and end in microseconds, as said, else as noted by the client or the server."""
    start_us = span.start_us or next((a.time_us for a in span.annotations if a.value in _STARTS), 0)
    if span.duration_us:
        return start_us, start_us + span.duration_us
    return start_us, next((a.time_us for a in span.annotations if a.value in _ENDS), start_us)


def _status(attributes: dict[str, Value]) -> otlp.Status:
    """Return the status that attributes say, and remove those that say nothing else. What stands first counts."""
    census = _pop_status(attributes, "census")
    otel = _pop_status(attributes, "otel")
    is_error = attributes.pop("error", None) is not None
    if census is not None:
        code = otlp.Status.STATUS_CODE_ERROR if census[0] else otlp.Status.STATUS_CODE_UNSET
        return otlp.Status(code=code, message=census[1])
    if otel is not None:
        return otlp.Status(code=_OTEL_CODES.get(otel[0], otlp.Status.STATUS_CODE_UNSET), message=otel[1])
    if is_error:
        return otlp.Status(code=otlp.Status.STATUS_CODE_ERROR)
    return _http_status(attributes)


def _pop_status(attributes: dict[str, Value], system: str) -> tuple[int, str] | None:
    """Remove a code and its description; None where there is no code. One that is no number is 0."""
    code = attributes.pop(f"{system}.status_code", None)
    if code is None:
        return None
    return http_status(code) or 0, str(attributes.pop(f"{system}.status_description", ""))


def _http_status(attributes: dict[str, Value]) -> otlp.Status:
    code = http_status(attributes.get("http.status_code"))
    if code is None or 100 <= code < 400:
        return otlp.Status()
    message = str(attributes.get("http.status_message", ""))
    return otlp.Status(code=otlp.Status.STATUS_CODE_ERROR, message=message)
