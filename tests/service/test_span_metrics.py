"""What is told of spans as they come in and as they become blocks: every figure held against a plain count."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from storage.chunk import Chunk
from storage.merge import merge
from tempo_dask.ingest.records import Record
from tempo_dask.kernels import otlp
from tempo_dask.observability.distribution import Distribution
from tempo_dask.observability.flushes import DISCONNECTED, ROOTLESS, incomplete_traces
from tempo_dask.observability.spans import IN_FUTURE, IN_PAST, TRACES_PER_BATCH, observe_spans, traces_per_request

BOUNDS = (0.0, 1.0, 10.0)


def span(trace: int, number: int, parent: int = 0, start: int = 0) -> Span:
    return Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        start_time_unix_nano=start,
    )


def request(*spans: Span) -> bytes:
    group = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


def samples(of: Distribution) -> dict[str, float]:
    [metric] = of.collect()
    return {sample.labels.get("le", sample.name.rpartition("_")[2]): sample.value for sample in metric.samples}


@given(st.lists(st.lists(st.integers(-5, 20), max_size=5), max_size=5))
@settings(max_examples=50)
def test_a_distribution_counts_what_is_at_most_a_bound(calls: list[list[int]]) -> None:
    counted = Distribution("some", "text", BOUNDS)
    for values in calls:
        counted.observe(np.array(values, np.int64))
    every = [value for values in calls for value in values]
    assert samples(counted) == {
        **{repr(bound): sum(value <= bound for value in every) for bound in BOUNDS},
        "+Inf": len(every),
        "count": len(every),
        "sum": sum(every),
    }


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=6), min_size=1))
@settings(max_examples=50)
def test_traces_are_counted_request_by_request(requests: list[list[tuple[int, int]]]) -> None:
    numbers = np.repeat(np.arange(len(requests)), [len(ids) for ids in requests])
    halves = np.array([half for ids in requests for half in ids], np.uint64)
    assert traces_per_request(numbers, halves).tolist() == [len(set(ids)) for ids in requests]


def test_spans_are_near_or_far_from_now() -> None:
    second = 10**9
    bodies = [
        request(span(trace=1, number=1, start=90 * second), span(trace=2, number=2, start=100 * second)),
        request(span(trace=2, number=3, start=102 * second)),
    ]
    records = [
        Record(n, "t", body, spans, 100 * second) for n, (body, spans) in enumerate(zip(bodies, (2, 1), strict=True))
    ]
    before = {of: samples(of) for of in (TRACES_PER_BATCH, IN_PAST, IN_FUTURE)}
    observe_spans(records, otlp.decode(bodies))
    grown = {of: {key: value - was[key] for key, value in samples(of).items()} for of, was in before.items()}
    assert (grown[TRACES_PER_BATCH]["1.0"], grown[TRACES_PER_BATCH]["2.0"], grown[TRACES_PER_BATCH]["sum"]) == (1, 2, 3)
    assert (grown[IN_PAST]["1.0"], grown[IN_PAST]["10.0"], grown[IN_PAST]["sum"]) == (1, 2, 10)
    assert (grown[IN_FUTURE]["1.0"], grown[IN_FUTURE]["10.0"], grown[IN_FUTURE]["sum"]) == (0, 1, 2)


def test_traces_without_root_or_with_a_missing_parent() -> None:
    body = request(
        span(trace=1, number=1),
        span(trace=1, number=2, parent=1),
        span(trace=2, number=3, parent=9),  # neither root nor parent
        span(trace=3, number=4),
        span(trace=3, number=5, parent=9),
        span(trace=3, number=6, parent=9),
    )
    chunk = Chunk.seal(
        merge([otlp.decode([body])]), id="whole", tenant="t", node="n", first_seq=1, last_seq=1, arrived_ns=(1, 1)
    )
    assert incomplete_traces([chunk]) == {ROOTLESS: 1, DISCONNECTED: 2}
