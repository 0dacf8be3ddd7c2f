"""The oracle's spans as OTLP requests, and Hypothesis strategies of few keys and values, so that they meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.oracle_spans import Event, Link, Span
from traceql.types import Kind, Status

START_NS = 1_000_000_000
KEYS = ("a", "b")
TEXTS = ("x", "y", "xy", "")

values = st.one_of(
    st.sampled_from(TEXTS),
    st.integers(-2, 3),
    st.sampled_from([-1.5, 0.0, 1.0, 2.5]),
    st.booleans(),
    st.lists(st.sampled_from(TEXTS), min_size=1, max_size=2),
    st.lists(st.integers(0, 2), min_size=1, max_size=3),
)
attributes = st.dictionaries(st.sampled_from(KEYS), values, max_size=2)
events = st.builds(Event, st.sampled_from(["e", "f"]), st.integers(START_NS, START_NS + 9), attributes)
services = st.sampled_from([{"service.name": "s"}, {"service.name": "t"}, {}, {"service.name": ""}])
links = st.builds(Link, st.just("0" * 30 + "aa"), st.sampled_from(["00000000000000aa", "bb" * 8]), attributes)


def own_links(trace: int) -> st.SearchStrategy[Link]:
    """Draw links within a trace, some of which make a root no root."""
    return st.builds(
        Link,
        st.just(f"{trace:032x}"),
        st.just("00000000000000aa"),
        st.just({"opentracing.ref_type": "child_of"}) | attributes,
    )


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    """Draw spans of a few traces; some parents are missing."""
    counts = enumerate(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)), 1)
    return [_span(draw, trace, number + 1) for trace, count in counts for number in range(count)]


def _span(draw: st.DrawFn, trace: int, number: int) -> Span:
    parent = draw(st.integers(0, number - 1) | st.just(9))
    return Span(
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        parent_id=f"{parent:016x}" if parent else "",
        name=draw(st.sampled_from(["one", "two", ""])),
        kind=Kind(draw(st.integers(0, 3))),
        status=Status(draw(st.integers(0, 2))),
        status_message=draw(st.sampled_from(["", "m"])),
        start_ns=START_NS + 10 * draw(st.integers(0, 3)) + draw(st.sampled_from([0, number])),
        duration_ns=draw(st.sampled_from([0, 1, 5, 1000])),
        attributes=draw(attributes),
        resource={**draw(services), **draw(attributes)},
        scope_name=draw(st.sampled_from(["", "lib"])),
        scope_version=draw(st.sampled_from(["", "1", "x"])),
        scope_attributes=draw(attributes),
        events=tuple(draw(st.lists(events, max_size=2))),
        links=tuple(draw(st.lists(links | own_links(trace), max_size=1))),
    )


def request_of(found: Sequence[Span]) -> bytes:
    """Return spans as one OTLP request, each with a resource of its own."""
    request = ExportTraceServiceRequest()
    for span in found:
        resource = request.resource_spans.add()
        resource.resource.attributes.extend(_pairs(span.resource))
        scope = resource.scope_spans.add()
        scope.scope.name, scope.scope.version = span.scope_name, span.scope_version
        scope.scope.attributes.extend(_pairs(span.scope_attributes))
        scope.spans.append(_message(span))
    return request.SerializeToString()


def _message(span: Span) -> trace_pb2.Span:
    return trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=int(span.kind),  # type: ignore[arg-type]  # numbered alike
        status=trace_pb2.Status(code=int(span.status), message=span.status_message),  # type: ignore[arg-type]
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_pairs(span.attributes),
        events=[
            trace_pb2.Span.Event(name=event.name, time_unix_nano=event.time_ns, attributes=_pairs(event.attributes))
            for event in span.events
        ],
        links=[
            trace_pb2.Span.Link(
                trace_id=bytes.fromhex(link.trace_id),
                span_id=bytes.fromhex(link.span_id),
                attributes=_pairs(link.attributes),
            )
            for link in span.links
        ],
    )


def _pairs(found: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in found.items()]


def _value(value: object) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[_value(item) for item in value]))
    raise TypeError(value)
