"""The engine finds what the oracle finds, however the spans are laid out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.block.files import MemoryFiles
from storage.block.reader import Block
from storage.block.writer import Origin, write_block
from storage.columns import ScanSource
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import SearchRequest, Window
from tempo_dask.engine.results import FoundSpan, FoundTrace, Labels, SearchResult, SpanSet
from tempo_dask.errors import BadRequest, QueryFailed
from tempo_dask.plan.refused import require_planned
from tests import oracle
from tests.engine.queries import pipelines
from tests.engine.recorded import TENANT, Fixed, chunk_of
from tests.engine.spans import START_NS, request_of, spans
from tests.oracle_display import displayed
from tests.oracle_fields import At
from tests.oracle_spans import Event, Span, Trace
from tests.oracle_values import EvaluationError
from traceql import Query, TraceQLError, parse, require_valid, simplify
from traceql.ast import Static
from traceql.durations import format_duration
from traceql.types import StaticType

EVER = Window(-(2**62), 2**62)

Pairs = tuple[tuple[str, object], ...]
Facts = tuple[int, int, str | None, str | None, Mapping[str, tuple[int, int]]]
ShownSpan = tuple[bytes, int, int, str | None, Pairs]
#: Spans in the order of the tree, how many matched, and the set's own attributes.
ShownSet = tuple[list[ShownSpan], int, Pairs]
#: Traces in their order: what is told of each, and its spansets in the order of their first spans.
Found = list[tuple[bytes, Facts, list[ShownSet]]]
EVERY = 1000


@dataclass(frozen=True)
class Asker:
    """One loop and one pool of threads for all questions: they take longer to start than a small world to search."""

    runner: asyncio.Runner
    executor: LocalExecutor

    def __call__(
        self,
        sources: Sequence[ScanSource],
        query: str,
        window: Window = EVER,
        limit: int = EVERY,
        spans_per_set: int = EVERY,
    ) -> SearchResult:
        request = SearchRequest(TENANT, query, window, limit=limit, spans_per_set=spans_per_set)
        return self.runner.run(Engine(Fixed(*sources), self.executor).search(request))


@pytest.fixture(scope="module")
def ask() -> Iterator[Asker]:
    with asyncio.Runner() as runner:
        found = Asker(runner, LocalExecutor(2))
        yield found
        found.executor.close()


def is_question(query: str) -> bool:
    """Return whether the language and its plans take the query."""
    try:
        require_valid(parse(query))
        require_planned(parse(query))
    except (TraceQLError, BadRequest):
        return False
    return True


def layout(data: st.DataObject, found: Sequence[Span]) -> list[ScanSource]:
    """Lay spans out over up to four sources of small units: chunks of live spans, and blocks."""
    places = [data.draw(st.integers(0, 3)) for _ in found]
    parts = [[span for span, place in zip(found, places, strict=True) if place == n] for n in range(4)]
    return [_source(part, is_block=n % 2 == 1) for n, part in enumerate(parts) if part]


def _source(part: Sequence[Span], *, is_block: bool) -> ScanSource:
    chunk = chunk_of([request_of(part)], "searched", unit_spans=4)
    if not is_block:
        return chunk
    encoded = write_block(chunk.tables, Origin(chunk.meta.id, TENANT), unit_spans=3)
    return Block.open(encoded.meta, MemoryFiles(encoded.files))


def expected(found: Sequence[Span], query: str, window: Window = EVER, spans_per_set: int = EVERY) -> Found:
    """What a search finds of the traces that overlap a window, newest first."""
    matching = oracle.search(parse(query), found).values()
    traces = [
        (bytes.fromhex(one.trace.spans[0].trace_id), _facts(one.trace), _expected_sets(query, one, spans_per_set))
        for one in matching
        if one.trace.start_ns <= window.end_ns and one.trace.start_ns + one.trace.duration_ns >= window.start_ns
    ]
    return sorted(traces, key=lambda trace: (-trace[1][0], trace[0]))


def _facts(trace: Trace) -> Facts:
    service = (trace.root.resource if trace.root else {}).get("service.name")
    return (
        trace.start_ns,
        trace.duration_ns,
        None if service is None else str(service),
        trace.root.name if trace.root else None,
        trace.service_stats,
    )


def _expected_sets(query: str, found: oracle.Found, spans_per_set: int) -> list[ShownSet]:
    left = [numbers[0] for numbers in found.trace.numbers]
    sets = [(sorted(spanset.places, key=left.__getitem__), spanset.attributes) for spanset in found.spansets]
    return [
        (
            [_expected_span(parse(query), At(found.trace, place)) for place in places[:spans_per_set]],
            len(places),
            tuple((key, shown(value)) for key, value in attributes),
        )
        for places, attributes in sorted(sets, key=lambda each: left[each[0][0]])
    ]


def _expected_span(query: Query, at: At) -> ShownSpan:
    pairs = [(key, shown(value)) for key, value in displayed(simplify(query), at)]
    name = next((str(value) for key, value in pairs if key == "name"), None)
    attributes = sorted((pair for pair in pairs if pair[0] != "name"), key=repr)
    return bytes.fromhex(at.span.span_id), at.span.start_ns, at.span.duration_ns, name, tuple(attributes)


def shown(value: Static) -> object:
    match value.type:
        case StaticType.DURATION:
            return format_duration(int(value.value))
        case StaticType.NIL:
            return "nil"
        case StaticType.FLOAT:
            return _typed(float(value.value))
        case StaticType.STATUS | StaticType.KIND:
            return value.value.name.lower()
    return _typed(value.value)


def answered(result: SearchResult) -> Found:
    return [(trace.trace_id, _told(trace), [_shown_set(one) for one in trace.span_sets]) for trace in result.traces]


def _told(trace: FoundTrace) -> Facts:
    return trace.start_ns, trace.duration_ns, trace.root_service, trace.root_name, trace.service_stats


def _shown_set(one: SpanSet) -> ShownSet:
    return [_shown_span(span) for span in one.spans], one.matched, _pairs(one.attributes)


def _shown_span(span: FoundSpan) -> ShownSpan:
    attributes = sorted(_pairs(span.attributes), key=repr)
    return span.span_id, span.start_ns, span.duration_ns, span.name, tuple(attributes)


def _pairs(labels: Labels) -> Pairs:
    return tuple((key, _typed(value)) for key, value in labels)


def _typed(value: Any) -> object:
    """A text as it is, all else as its text and type: 1, 1.0 and true are equal in Python."""
    return value if isinstance(value, str) else (type(value).__name__, repr(value))


LAW = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
#: To draw a world, to lay it out and to stitch its traces takes longer than to search it: each is asked many questions.
QUESTIONS = 20
questions = st.lists(pipelines.filter(is_question), min_size=QUESTIONS, max_size=QUESTIONS)


@settings(LAW, max_examples=56)
@given(found=spans(), asked=questions, data=st.data())
def test_search_agrees_with_the_oracle(ask: Asker, found: list[Span], asked: list[str], data: st.DataObject) -> None:
    """A thousand queries that can be answered."""
    require_agreement(ask, found, asked, data)


@pytest.mark.slow
@settings(LAW, max_examples=560)
@given(found=spans(), asked=questions, data=st.data())
def test_search_agrees_with_the_oracle_at_length(
    ask: Asker, found: list[Span], asked: list[str], data: st.DataObject
) -> None:
    """Ten thousand queries that can be answered."""
    require_agreement(ask, found, asked, data)


def require_agreement(ask: Asker, found: list[Span], asked: list[str], data: st.DataObject) -> None:
    sources = layout(data, found)
    for query in asked:
        try:
            wanted = expected(found, query)
        except EvaluationError:  # what cannot change the answer is not always evaluated
            with suppress(QueryFailed):
                ask(sources, query)
        else:
            assert answered(ask(sources, query)) == wanted, query
    require_newest(ask, found, asked[0], sources)


def require_newest(ask: Asker, found: list[Span], query: str, sources: list[ScanSource]) -> None:
    """Of a window traces are found that overlap it, as many as are wanted, and of their spansets the first spans."""
    window = Window(START_NS + 12, START_NS + 21)
    for limit, spans_per_set in ((1, 1), (2, 2), (EVERY, 3)):
        try:
            wanted = expected(found, query, window, spans_per_set)
        except EvaluationError:
            return
        assert answered(ask(sources, query, window, limit, spans_per_set)) == wanted[:limit], query


def test_any_event_may_be_true(ask: Asker) -> None:
    """Not only the first of them that has the attribute."""
    events = (Event("e", 1, {"a": "x"}), Event("e", 1, {"a": True}))
    found = [Span(f"{1:032x}", f"{1:016x}", name="one", start_ns=10**9, events=events, resource={"service.name": "s"})]
    source = chunk_of([request_of(found)], "searched")
    for query in ("{ event.a }", '{ (span.a = "x") || (event.a) }'):
        assert answered(ask([source], query)) == expected(found, query) != []
