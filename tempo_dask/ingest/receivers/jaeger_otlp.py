"""Jaeger to OTLP, row by row as the OpenTelemetry Collector does it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as otlp

from tempo_dask.ingest.receivers.jaeger_model import Batch, Process, Reference, Span, Tags
from tempo_dask.ingest.receivers.jaeger_status import status_of
from tempo_dask.ingest.receivers.otlp_building import Value, add_attributes, unsigned

#: What stands for a resource without a service.
_NO_SERVICE: Final = "OTLPResourceNoServiceName"
_KINDS: Final = {
    "client": otlp.Span.SPAN_KIND_CLIENT,
    "server": otlp.Span.SPAN_KIND_SERVER,
    "producer": otlp.Span.SPAN_KIND_PRODUCER,
    "consumer": otlp.Span.SPAN_KIND_CONSUMER,
    "internal": otlp.Span.SPAN_KIND_INTERNAL,
}
_ABSENT: Final = bytes(8)


def to_otlp(batch: Batch) -> bytes:
    """Return a batch as an OTLP request."""
    request = ExportTraceServiceRequest()
    by_process: defaultdict[tuple[object, ...], list[Span]] = defaultdict(list)
    for span in batch.spans:
        by_process[(span.process or batch.process).key()].append(span)
    for spans in by_process.values():
        resource_spans = request.resource_spans.add()
        _fill_resource(resource_spans.resource, spans[0].process or batch.process, batch.has_otlp_tags)
        _add_spans(resource_spans, spans, batch.has_otlp_tags)
    body: bytes = request.SerializeToString()
    return body


def _fill_resource(resource: Resource, process: Process, has_otlp_tags: bool) -> None:
    if has_otlp_tags and process.service_name == _NO_SERVICE:
        return
    attributes: dict[str, Value] = {"service.name": process.service_name} if process.service_name else {}
    for key, value in process.tags:
        if key == "hostname":
            attributes["host.name"] = value
        elif key == "jaeger.version":
            attributes["opencensus.exporterversion"] = f"Jaeger-{value!s}"
        else:
            attributes[key] = value
    add_attributes(resource.attributes, attributes)


def _add_spans(to: otlp.ResourceSpans, spans: Sequence[Span], has_otlp_tags: bool) -> None:
    scopes: dict[tuple[str, str], otlp.ScopeSpans] = {}
    for span in spans:
        attributes = dict(span.tags)
        trace_state, scope = "", ("", "")
        if has_otlp_tags:
            trace_state = _pop_text(attributes, "w3c.tracestate")
            scope = (_pop_text(attributes, "otel.scope.name"), _pop_text(attributes, "otel.scope.version"))
        if scope not in scopes:
            scopes[scope] = to.scope_spans.add()
            scopes[scope].scope.name, scopes[scope].scope.version = scope
        _fill_span(scopes[scope].spans.add(trace_state=trace_state), span, attributes)


def _fill_span(to: otlp.Span, span: Span, attributes: dict[str, Value]) -> None:
    to.trace_id = span.trace_id
    to.span_id = span.span_id
    to.name = span.name
    to.start_time_unix_nano = unsigned(span.start_ns)
    to.end_time_unix_nano = unsigned(span.start_ns + span.duration_ns)
    to.kind = _KINDS.get(_pop_text(attributes, "span.kind"), otlp.Span.SPAN_KIND_UNSPECIFIED)
    to.status.CopyFrom(status_of(attributes, is_server=to.kind == otlp.Span.SPAN_KIND_SERVER))
    add_attributes(to.attributes, attributes)
    parent_id = _parent_id(span)
    if parent_id != _ABSENT:
        to.parent_span_id = parent_id
    for reference in span.references:
        if not _says_parent(reference, span, parent_id):
            link = to.links.add(trace_id=reference.trace_id, span_id=reference.span_id)
            kind_of_reference = "child_of" if reference.is_child_of else "follows_from"
            add_attributes(link.attributes, {"opentracing.ref_type": kind_of_reference})
    for log in span.logs:
        _fill_event(to.events.add(time_unix_nano=unsigned(log.time_ns)), log.fields)


def _fill_event(to: otlp.Span.Event, fields: Tags) -> None:
    attributes = dict(fields)
    to.name = _pop_text(attributes, "event")
    add_attributes(to.attributes, attributes)


def _parent_id(span: Span) -> bytes:
    """Return the parent: what the span says, else what it is a child of, else what it follows from."""
    if span.parent_id != _ABSENT:
        return span.parent_id
    same_trace = [reference for reference in span.references if reference.trace_id == span.trace_id]
    children_first = sorted(same_trace, key=lambda reference: not reference.is_child_of)
    return children_first[0].span_id if children_first else _ABSENT


def _says_parent(reference: Reference, span: Span, parent_id: bytes) -> bool:
    """Whether a reference says no more than the parent's id."""
    return reference.is_child_of and reference.span_id == parent_id and reference.trace_id == span.trace_id


def _pop_text(attributes: dict[str, Value], key: str) -> str:
    """Remove an attribute and return it, "" where it is none or no text."""
    value = attributes.pop(key, "")
    return value if isinstance(value, str) else ""
