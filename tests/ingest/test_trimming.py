"""Limits of traces and attributes: kernels see what is too much, and no more than that is taken out."""

from __future__ import annotations

import base64
import contextlib
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tempo_dask import telemetry
from tempo_dask.ingest.limits import IngestLimits
from tempo_dask.ingest.live_traces import LivePeriods
from tempo_dask.ingest.trimming import Trimmer
from tempo_dask.kernels.otlp_sizes import count_longer, trace_sizes
from tests.ingest.exchanges import exchanges_of, sent_body
from tests.kernels.otlp_guarded import Guarded

MEMORY = Guarded(16)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def trimmer(limits: IngestLimits, clock: Clock | None = None, periods: LivePeriods | None = None) -> Trimmer:
    return Trimmer(lambda _tenant: limits, trace_sizes, count_longer, clock or Clock(), periods)


def request(*traces: int, padding: int = 0) -> bytes:
    made = ExportTraceServiceRequest()
    spans = made.resource_spans.add().scope_spans.add().spans
    for number, trace in enumerate(traces, 1):
        spans.add(trace_id=trace.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="x" * padding)
    return made.SerializeToString()


def traces_of(body: bytes) -> list[int]:
    message = ExportTraceServiceRequest.FromString(body)
    return [
        int.from_bytes(span.trace_id, "big")
        for resource_spans in message.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def discarded(reason: str, tenant: str) -> float:
    return float(telemetry.DISCARDED_SPANS.labels(reason, tenant)._value.get())


def test_without_limits_a_request_stays_as_it_is() -> None:
    body = request(1, 2)
    assert trimmer(IngestLimits()).trim("t", body, 2).body is body


def test_traces_beyond_the_limit_are_left_out() -> None:
    trim = trimmer(IngestLimits(max_traces_per_user=2)).trim
    before = discarded("live_traces_exceeded", "many")
    assert traces_of(trim("many", request(1, 2, 3, 1, 3), 5).body) == [1, 2, 1]
    assert trim("many", request(3), 1).spans == 0
    assert trim("many", request(2), 1).spans == 1
    assert trim("other", request(3), 1).spans == 1
    assert discarded("live_traces_exceeded", "many") - before == 3


@pytest.mark.parametrize("periods", [LivePeriods(), LivePeriods(idle_s=60, live_s=600)])
def test_traces_that_are_idle_make_room(periods: LivePeriods) -> None:
    clock = Clock()
    trim = trimmer(IngestLimits(max_traces_per_user=1), clock, periods).trim
    assert trim("t", request(1), 1).spans == 1
    clock.now_s += periods.idle_s - 2
    assert trim("t", request(2), 1).spans == 0
    clock.now_s += 2
    assert trim("t", request(2), 1).spans == 1
    assert trim("t", request(1), 1).spans == 0


def test_a_trace_that_never_rests_is_cut_too() -> None:
    clock = Clock()
    trim = trimmer(IngestLimits(max_bytes_per_trace=1000), clock).trim
    for _ in range(int(LivePeriods().live_s)):
        trim("t", request(1, padding=10), 1)
        clock.now_s += 1
    assert trim("t", request(1, padding=900), 1).spans == 1


def test_recorded_sizes(shared: Path) -> None:
    """2,000 bytes a trace: 3 kB at once are too many, of three times 1 kB the first is taken."""
    trim = trimmer(IngestLimits(max_bytes_per_trace=2000)).trim
    bodies = [
        sent_body(exchange) or b""
        for exchange in exchanges_of(shared, "limits")
        if exchange.get("note", "").startswith(("max_bytes_per_trace", "segment of 1 kB"))
    ]
    before = discarded("trace_too_large", "large")
    assert [trim("large", body, 1).spans for body in bodies] == [0, 1, 0, 0]
    assert discarded("trace_too_large", "large") - before == 3


def test_recorded_cuts(shared: Path) -> None:
    cut = [e for e in exchanges_of(shared, "limits") if e.get("note", "").startswith("max_attribute_bytes 10")]
    sent = sent_body(next(e for e in cut if e["method"] == "POST" and e["status"] == 200)) or b""
    answer = next(e for e in reversed(cut) if e["method"] == "GET")
    expected = answer["response_body"]
    made = ExportTraceServiceRequest.FromString(trimmer(IngestLimits(max_attribute_bytes=10)).trim("t", sent, 1).body)
    assert made.resource_spans[0].resource.attributes[0].value.string_value
    for attribute in made.resource_spans[0].scope_spans[0].spans[0].attributes:
        if attribute.value.HasField("string_value"):
            assert f'"{attribute.value.string_value}"' in expected
            assert len(attribute.value.string_value.encode()) <= 10
    assert base64.b64encode(made.resource_spans[0].scope_spans[0].spans[0].trace_id).decode() in expected


TEXTS = st.text(max_size=8)


@st.composite
def requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        resource_spans = made.resource_spans.add(schema_url=draw(TEXTS))
        owners = [resource_spans.resource]
        for _ in range(draw(st.integers(0, 3))):
            scope_spans = resource_spans.scope_spans.add(schema_url=draw(TEXTS))
            owners.append(scope_spans.scope)
            for _ in range(draw(st.integers(0, 4))):
                span = scope_spans.spans.add(trace_id=draw(st.integers(1, 4)).to_bytes(16, "big"), span_id=b"12345678")
                span.name = draw(TEXTS)
                owners += [span, span.events.add(), span.links.add(trace_id=bytes(16))]
        for owner in owners:
            for _ in range(draw(st.integers(0, 2))):
                attribute = owner.attributes.add(key=draw(TEXTS))
                if draw(st.booleans()):
                    attribute.value.string_value = draw(TEXTS)
                else:
                    attribute.value.array_value.values.add(string_value=draw(TEXTS))
    return made


def sizes_by_hand(message: ExportTraceServiceRequest) -> dict[int, tuple[int, int]]:
    """Return bytes and spans of each trace; lengths are below 128, so fields have two bytes before them, or three."""
    sizes: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for resource_spans in message.resource_spans:
        scopes = sum(field_size(scope.ByteSize()) for scope in resource_spans.scope_spans)
        shared = field_size(resource_spans.ByteSize()) - scopes
        for scope in resource_spans.scope_spans:
            own = field_size(scope.ByteSize()) - sum(field_size(span.ByteSize()) for span in scope.spans)
            seen = set()
            for span in scope.spans:
                trace = int.from_bytes(span.trace_id, "big")
                sizes[trace][0] += field_size(span.ByteSize()) + (0 if trace in seen else own + shared)
                sizes[trace][1] += 1
                seen.add(trace)
    return {trace: (size, spans) for trace, (size, spans) in sizes.items()}


def field_size(size: int) -> int:
    return 1 + (1 if size < 128 else 2) + size


@settings(max_examples=40, deadline=None)
@given(requests())
def test_sizes_are_those_counted_by_hand(message: ExportTraceServiceRequest) -> None:
    expected = sizes_by_hand(message)
    found = trace_sizes(message.SerializeToString(), sum(spans for _, spans in expected.values()))
    ids = [int.from_bytes(pair.astype("<i8").tobytes(), "big") for pair in found.ids]
    assert dict(zip(ids, zip(found.size_bytes.tolist(), found.spans.tolist(), strict=True), strict=True)) == expected


@settings(max_examples=40, deadline=None)
@given(requests(), st.integers(1, 6))
def test_cuts_leave_nothing_longer(message: ExportTraceServiceRequest, limit: int) -> None:
    body = message.SerializeToString()
    kept = trimmer(IngestLimits(max_attribute_bytes=limit)).trim("t", body, 1)
    assert count_longer(kept.body, limit) == 0
    assert (kept.body == body) == (count_longer(body, limit) == 0)


@settings(max_examples=40, deadline=None)
@given(requests(), st.binary(max_size=3), st.integers(0, 400))
def test_what_was_not_checked_is_read_within_its_bytes(
    message: ExportTraceServiceRequest, noise: bytes, at: int
) -> None:
    """It lies between two pages that cannot be read, at one end and at the other."""
    body = message.SerializeToString()
    broken = body[:at] + noise + body[at + len(noise) :]
    for at_end in (True, False):
        placed = MEMORY.place(broken, at_end=at_end)
        assert count_longer(placed, 3) >= 0
        with contextlib.suppress(ValueError):
            trace_sizes(placed, 2)
