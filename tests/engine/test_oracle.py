"""The engine finds what the oracle finds, however the spans are laid out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from storage.columns import ScanSource
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import SearchRequest, Window
from tempo_dask.engine.results import SearchResult
from tempo_dask.errors import BadRequest
from tempo_dask.plan.refused import require_planned
from tests import oracle
from tests.engine.queries import pipelines
from tests.engine.recorded import TENANT, Fixed, chunk_of
from tests.engine.spans import request_of, spans
from tests.oracle_display import displayed
from tests.oracle_fields import At
from tests.oracle_spans import Event, Span
from tests.oracle_values import EvaluationError
from traceql import Query, TraceQLError, parse, require_valid, simplify
from traceql.ast import Static
from traceql.durations import format_duration
from traceql.types import StaticType

EVER = Window(-(2**62), 2**62)

Pairs = tuple[tuple[str, str], ...]
Found = dict[bytes, set[tuple[frozenset[tuple[bytes, Pairs]], Pairs]]]


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    found = LocalExecutor(2)
    yield found
    found.close()


def ask(executor: LocalExecutor, sources: Sequence[ScanSource], query: str) -> SearchResult:
    request = SearchRequest(TENANT, query, EVER, limit=1000, spans_per_set=1000)
    return asyncio.run(Engine(Fixed(*sources), executor).search(request))


def layout(data: st.DataObject, found: Sequence[Span]) -> list[ScanSource]:
    """Lay spans out over up to three chunks of small units."""
    places = [data.draw(st.integers(0, 2)) for _ in found]
    parts = ([span for span, place in zip(found, places, strict=True) if place == n] for n in range(3))
    return [chunk_of([request_of(part)], "searched", unit_spans=4) for part in parts if part]


def expected(found: Sequence[Span], query: str) -> Found:
    return {
        bytes.fromhex(trace_id): {
            (
                frozenset(_expected_span(parse(query), At(trace.trace, place)) for place in spanset.places),
                tuple((key, shown(value)) for key, value in spanset.attributes),
            )
            for spanset in trace.spansets
        }
        for trace_id, trace in oracle.search(parse(query), found).items()
    }


def _expected_span(query: Query, at: At) -> tuple[bytes, Pairs]:
    attributes = sorted((key, shown(value)) for key, value in displayed(simplify(query), at))
    return bytes.fromhex(at.span.span_id), tuple(attributes)


def shown(value: Static) -> str:
    match value.type:
        case StaticType.DURATION:
            return format_duration(int(value.value))
        case StaticType.NIL:
            return "nil"
        case StaticType.FLOAT:
            return repr(float(value.value))
        case StaticType.STATUS | StaticType.KIND:
            return value.value.name.lower()
    return value.value if isinstance(value.value, str) else repr(value.value)


def answered(result: SearchResult) -> Found:
    return {
        trace.trace_id: {
            (
                frozenset(
                    (span.span_id, tuple(sorted((key, _text(value)) for key, value in span.attributes)))
                    for span in spanset.spans
                ),
                tuple((key, _text(value)) for key, value in spanset.attributes),
            )
            for spanset in trace.span_sets
        }
        for trace in result.traces
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


LAW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@settings(LAW, max_examples=100)
@given(found=spans(), query=pipelines, data=st.data())
def test_search_agrees_with_the_oracle(
    executor: LocalExecutor, found: list[Span], query: str, data: st.DataObject
) -> None:
    require_agreement(executor, found, query, data)


@pytest.mark.slow
@settings(LAW, max_examples=10_000)
@given(found=spans(), query=pipelines, data=st.data())
def test_search_agrees_with_the_oracle_at_length(
    executor: LocalExecutor, found: list[Span], query: str, data: st.DataObject
) -> None:
    require_agreement(executor, found, query, data)


def require_agreement(executor: LocalExecutor, found: list[Span], query: str, data: st.DataObject) -> None:
    try:
        require_valid(parse(query))
        require_planned(parse(query))
        wanted = expected(found, query)
    except (TraceQLError, EvaluationError, BadRequest):
        assume(False)
    assert answered(ask(executor, layout(data, found), query)) == wanted


def test_any_event_may_be_true(executor: LocalExecutor) -> None:
    """Not only the first of them that has the attribute."""
    events = (Event("e", 1, {"a": "x"}), Event("e", 1, {"a": True}))
    found = [Span(f"{1:032x}", f"{1:016x}", name="one", start_ns=10**9, events=events, resource={"service.name": "s"})]
    source = chunk_of([request_of(found)], "searched")
    for query in ("{ event.a }", '{ (span.a = "x") || (event.a) }'):
        assert answered(ask(executor, [source], query)) == expected(found, query) != {}
