"""A trace by its id: every span of it once, as it was sent, however the spans are laid out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Proto
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from storage.columns import ScanSource
from tempo_dask.api.encode_trace import encode_trace_protobuf
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import Places, SearchRequest, TraceRequest, Window
from tempo_dask.engine.results import TraceResult
from tests.engine.recorded import TENANT, Fixed
from tests.engine.spans import request_of, spans
from tests.engine.test_oracle import EVER, layout
from tests.oracle_spans import Span

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
#: Resource, scope and span, each as text.
Sent = tuple[str, str, str]


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    found = LocalExecutor(2)
    yield found
    found.close()


def ask(
    executor: LocalExecutor,
    sources: Sequence[ScanSource],
    trace_id: str,
    window: Window | None = None,
    places: Places = "all",
) -> TraceResult:
    request = TraceRequest(TENANT, bytes.fromhex(trace_id), window, places)
    return asyncio.run(Engine(Fixed(*sources), executor).trace(request))


def sent(body: bytes) -> Counter[Sent]:
    """Return the spans of a request or an answer: they are the same on the wire."""
    found = TracesData.FromString(body)
    for of_resource in found.resource_spans:
        _sort(of_resource.resource)
        for of_scope in of_resource.scope_spans:
            _sort(of_scope.scope, *of_scope.spans)
            for span in of_scope.spans:
                _sort(*span.events, *span.links)
    return Counter(
        (str(of_resource.resource), str(of_scope.scope), str(span))
        for of_resource in found.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    )


def _sort(*owners: Resource | InstrumentationScope | Proto | Proto.Event | Proto.Link) -> None:
    """Put attributes in one order: theirs says nothing."""
    for owner in owners:
        owner.attributes.sort(key=lambda pair: pair.key)


def answered(result: TraceResult) -> Counter[Sent]:
    return sent(b"" if result.tables is None else encode_trace_protobuf(result.tables))


def traces_of(found: Sequence[Span]) -> dict[str, list[Span]]:
    traces: dict[str, list[Span]] = {}
    for span in found:
        traces.setdefault(span.trace_id, []).append(span)
    return traces


@FEW
@given(found=spans(), data=st.data())
def test_a_trace_comes_back_as_it_was_sent(executor: LocalExecutor, found: list[Span], data: st.DataObject) -> None:
    sources = layout(data, found)
    for trace_id, members in traces_of(found).items():
        assert answered(ask(executor, sources, trace_id)) == sent(request_of(members))
    assert ask(executor, sources, "f" * 32).tables is None


@FEW
@given(found=spans(), data=st.data())
def test_spans_that_came_twice_are_there_once(executor: LocalExecutor, found: list[Span], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(found), max_size=6))
    sources = [*layout(data, found), *layout(data, again)]
    for trace_id, members in traces_of(found).items():
        assert answered(ask(executor, sources, trace_id)) == sent(request_of(members))


@FEW
@given(found=spans(), data=st.data())
def test_live_spans_and_those_of_blocks_are_the_whole(
    executor: LocalExecutor, found: list[Span], data: st.DataObject
) -> None:
    sources = layout(data, found)
    for trace_id, members in traces_of(found).items():
        live, blocks = (answered(ask(executor, sources, trace_id, places=places)) for places in ("live", "blocks"))
        assert live + blocks == sent(request_of(members))


@FEW
@given(found=spans(), data=st.data())
def test_a_window_leaves_out_sources_and_cuts_no_trace_of_one(
    executor: LocalExecutor, found: list[Span], data: st.DataObject
) -> None:
    (source, *_) = sources = layout(data, found)
    first, last = source.meta.start_ns, source.meta.end_ns
    window = Window(data.draw(st.integers(first - 20, last)), data.draw(st.integers(last, last + 20)))
    seen = [one for one in sources if one.meta.start_ns <= window.end_ns and one.meta.end_ns >= window.start_ns]
    for trace_id in traces_of(found):
        assert answered(ask(executor, sources, trace_id, window)) == answered(ask(executor, seen, trace_id))


@pytest.mark.parametrize("query", ["{ }", ""])
@FEW
@given(found=spans(), data=st.data())
def test_a_search_of_all_tells_what_it_looked_at(
    executor: LocalExecutor, query: str, found: list[Span], data: st.DataObject
) -> None:
    sources = layout(data, found)
    request = SearchRequest(TENANT, query, EVER, limit=1000)
    metrics = asyncio.run(Engine(Fixed(*sources), executor).search(request)).metrics
    # Some of a trace that lies in several sources are looked at there, and once more together.
    assert metrics.inspected_spans >= len(found)
    assert metrics.inspected_traces == (0 if query else len(traces_of(found)))
    assert metrics.completed_jobs == metrics.total_jobs >= metrics.total_blocks > 0
    if len(sources) == 1:
        assert (metrics.inspected_spans, metrics.total_blocks) == (len(found), 1)
