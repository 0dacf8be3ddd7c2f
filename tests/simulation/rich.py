"""Requests whose spans carry all that a block can hold, so that every table of it is written, merged and read."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.ingest import numbered


def body(numbers: Iterable[int]) -> bytes:
    """Return a request as `numbered.body` makes it, richer; what a span holds follows from its number alone."""
    request = ExportTraceServiceRequest()
    for number in numbers:
        plain = ExportTraceServiceRequest.FromString(numbered.body([number]))
        [resource_spans] = plain.resource_spans
        [scope_spans] = resource_spans.scope_spans
        resource_spans.resource.attributes.add(key="service.name").value.string_value = f"service-{number % 3}"
        resource_spans.schema_url = f"https://schema/{number % 2}"
        scope_spans.scope.name = f"scope-{number % 4}"
        _enrich(scope_spans.spans[0], number)
        request.resource_spans.append(resource_spans)
    return request.SerializeToString()


def _enrich(span: Span, number: int) -> None:
    """Add values of mixed type under one key, a key that no other span has, nested values, events and links."""
    mixed = span.attributes.add(key="mixed").value
    if number % 2:
        mixed.string_value = str(number)
    else:
        mixed.double_value = number / 2
    span.attributes.add(key=f"rare-{number}").value.bool_value = True
    nested = span.attributes.add(key="nested").value.kvlist_value.values.add(key="list")
    nested.value.array_value.values.add(bytes_value=bytes([number % 256]))
    for n in range(number % 3):
        event = span.events.add(name=f"event-{n}", time_unix_nano=span.start_time_unix_nano + n)
        event.attributes.add(key="number").value.int_value = number
    if number % 4 == 0:
        link = span.links.add(trace_id=(number + 1).to_bytes(16, "big"), span_id=(number + 1).to_bytes(8, "big"))
        link.attributes.add(key=f"rare-{number % 5}").value.string_value = "x"
    span.dropped_events_count = number % 2
    span.trace_state = "a=1" if number % 5 == 0 else ""
