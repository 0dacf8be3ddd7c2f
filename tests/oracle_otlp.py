"""The oracle's spans from recorded OTLP requests."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.oracle_spans import Event, Link, Span
from traceql.types import Kind, Status


def read_records(path: Path) -> Iterator[ExportTraceServiceRequest]:
    """The requests of a gzipped file of records: a 4-byte big-endian length and a message each."""
    data = gzip.decompress(path.read_bytes())
    place = 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        yield ExportTraceServiceRequest.FromString(data[place + 4 : place + 4 + size])
        place += 4 + size


def spans_of(requests: Iterable[ExportTraceServiceRequest]) -> list[Span]:
    """All spans, in order of arrival."""
    return [
        _span(span, attributes(resource.resource.attributes), scope)
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes as Python values; of a repeated key the first counts."""
    found: dict[str, object] = {}
    for pair in pairs:
        found.setdefault(pair.key, _value(pair.value))
    return found


def _value(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return attributes(value.kvlist_value.values)
        case kind:
            return getattr(value, kind)


def _span(span: trace_pb2.Span, resource: dict[str, object], scope: trace_pb2.ScopeSpans) -> Span:
    return Span(
        trace_id=span.trace_id.hex().zfill(32),
        span_id=span.span_id.hex().zfill(16),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=Kind(span.kind),
        status=Status(span.status.code),
        status_message=span.status.message,
        start_ns=span.start_time_unix_nano,
        duration_ns=max(span.end_time_unix_nano - span.start_time_unix_nano, 0),
        attributes=attributes(span.attributes),
        resource=resource,
        scope_name=scope.scope.name,
        scope_version=scope.scope.version,
        scope_attributes=attributes(scope.scope.attributes),
        events=tuple(Event(event.name, event.time_unix_nano, attributes(event.attributes)) for event in span.events),
        links=tuple(Link(link.trace_id.hex(), link.span_id.hex(), attributes(link.attributes)) for link in span.links),
    )
