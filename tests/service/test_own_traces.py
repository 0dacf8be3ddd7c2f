"""Spans of the service's own work: whose trace they join, where they go, and that nobody waits for them."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tempo_dask.api.query_report import QueryReport
from tempo_dask.config.file import Config
from tempo_dask.config.tracing import Tracing
from tempo_dask.engine.results import QueryMetrics
from tempo_dask.errors import Unavailable
from tempo_dask.observability import own_traces
from tempo_dask.observability.observers import Observers
from tempo_dask.observability.own_traces import DROPPED, OwnTraces, Parent
from tempo_dask.observability.pushes import ObservedPush
from tempo_dask.overrides.tenants import TenantSettings
from tests.demo.fake_receiver import FakeReceiver, receiving

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def report(traceparent: str = "", status: int = 200) -> QueryReport:
    cost = QueryMetrics(inspected_bytes=7)
    return QueryReport("t1", "GET", "/api/search?q={}", "api_search", status, 10**9, 0.5, 99, cost, traceparent)


def spans_of(receiver: FakeReceiver) -> list[Span]:
    requests = [ExportTraceServiceRequest.FromString(body) for _, body in receiver.taken]
    for request in requests:
        [group] = request.resource_spans
        names = {attribute.key: attribute.value.string_value for attribute in group.resource.attributes}
        assert (names["service.name"], names["service.instance.id"]) == ("tempo-dask", "node-1")
    return [span for request in requests for span in request.resource_spans[0].scope_spans[0].spans]


def test_a_query_is_a_span_of_its_callers_trace() -> None:
    with receiving() as receiver:
        traces = OwnTraces(Tracing(otlp_endpoint=receiver.url), "node-1")
        traces.record_query(report(f"00-{TRACE}-{SPAN}-01"))
        traces.record_query(report(f"00-{TRACE}-{SPAN}-00"))  # whose caller records nothing
        traces.record_query(report(status=500))
        traces.step()
        traces.step()
        traces.close(60)
        first, second = spans_of(receiver)
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (TRACE, SPAN)
    assert (first.name, first.kind) == ("api_search", Span.SPAN_KIND_SERVER)
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (10**9, 10**9 + 5 * 10**8)
    told = {attribute.key: attribute.value for attribute in first.attributes}
    assert told["tenant"].string_value == "t1"
    assert told["tempo.inspected_bytes"].int_value == 7
    assert second.trace_id != first.trace_id
    assert (second.parent_span_id, second.status.code) == (b"", Status.STATUS_CODE_ERROR)


async def test_what_is_taken_in_is_a_span() -> None:
    async def push(_org_ids: object, body: bytes) -> int:
        if not body:
            raise Unavailable("not now")
        return 3

    with receiving() as receiver:
        traces = OwnTraces(Tracing(otlp_endpoint=receiver.url), "node-1")
        observed = ObservedPush(push, "node-1", traces.record)
        assert await observed.push(["t1"], b"12345") == 3
        with pytest.raises(Unavailable):
            await observed.push(["t1"], b"")
        traces.step()
        traces.close(60)
        taken, failed = spans_of(receiver)
    told = {attribute.key: attribute.value for attribute in taken.attributes}
    assert (taken.name, told["tempo.spans"].int_value, told["tempo.bytes"].int_value) == ("push", 3, 5)
    assert failed.status.code == Status.STATUS_CODE_ERROR


def test_a_share_is_recorded() -> None:
    with receiving() as receiver:
        traces = OwnTraces(Tracing(otlp_endpoint=receiver.url, sample_ratio=0), "node-1")
        traces.record_query(report())
        traces.record_query(report(f"00-{TRACE}-{SPAN}-01"))
        traces.step()
        traces.close(60)
        assert [span.trace_id.hex() for span in spans_of(receiver)] == [TRACE]


def test_what_cannot_be_sent_is_dropped(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with receiving() as receiver:
        url = receiver.url
    traces = OwnTraces(Tracing(otlp_endpoint=url), "node-1")
    before = DROPPED._value.get()
    for _ in range(own_traces.QUEUE_SPANS + 2):
        traces.record_query(report())
    assert DROPPED._value.get() - before == 2
    with caplog.at_level(logging.WARNING, own_traces.__name__):
        traces.step()
    assert DROPPED._value.get() - before == own_traces.QUEUE_SPANS + 2
    assert "spans of our own are dropped" in caplog.text


def test_what_waits_at_the_end_is_sent() -> None:
    with receiving() as receiver:
        config = Config(tracing=Tracing(otlp_endpoint=receiver.url))
        observers = Observers(config, TenantSettings(config.overrides), "node-1")
        observers.tell(report())
        observers.stop()
        assert [span.name for span in spans_of(receiver)] == ["api_search"]


@pytest.mark.parametrize(
    "text", ["", "x", f"00-{TRACE}-{SPAN}", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01"]
)
def test_what_is_no_parent_is_none(text: str) -> None:
    assert Parent.of(text) is None
