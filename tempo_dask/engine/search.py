"""Search: from a query text to the newest traces that match."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tempo_dask.engine.executors import Executor
from tempo_dask.engine.query_texts import understood
from tempo_dask.engine.requests import SearchRequest
from tempo_dask.engine.results import FoundSpan, FoundTrace, QueryMetrics, SearchResult, SpanSet
from tempo_dask.engine.sources import SnapshotProvider, shards_of
from tempo_dask.engine.tag_search import tagged_traces
from tempo_dask.engine.waves import in_waves
from tempo_dask.physical.display import Display, ShownSpan
from tempo_dask.physical.matches import Match, Matches, settled
from tempo_dask.physical.search import display_work, match_work
from tempo_dask.physical.shown_attributes import bare_key
from tempo_dask.physical.units import ScanUnit, Shard
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.build import build_search
from tempo_dask.plan.build_tags import build_tag_search
from tempo_dask.plan.nodes import NewestTraces, Plan, TimeRange
from tempo_dask.plan.optimize import optimize
from traceql.ast import Intrinsic
from traceql.attributes import IntrinsicKind

_NAME = Intrinsic(IntrinsicKind.NAME)


async def search(request: SearchRequest, sources: SnapshotProvider, executor: Executor) -> SearchResult:
    """Return at most `request.limit` traces with a match, newest first."""
    asked = await PlannedSearch.over(request, sources)
    matches = await executor.run(asked.work)
    return await asked.result(matches, executor)


async def stream_search(
    request: SearchRequest, sources: SnapshotProvider, executor: Executor
) -> AsyncIterator[SearchResult]:
    """Yield the same traces in the same order, each as soon as no newer one can come before it."""
    asked = await PlannedSearch.over(request, sources)
    told = 0
    async for progress in in_waves(asked.work, executor):
        certain = settled(progress.found, progress.waiting)
        if certain > told or not progress.waiting:
            yield await asked.result(progress.found[told:certain], executor)
            told = certain


@dataclass(frozen=True, slots=True)
class PlannedSearch:
    """A search, planned: its first pass, and what to show of what that finds."""

    request: SearchRequest
    plan: Plan
    work: PartitionWork[ScanUnit, Matches]

    @classmethod
    async def over(cls, request: SearchRequest, sources: SnapshotProvider) -> PlannedSearch:
        """Return the search over all sources of the tenant, planned off the event loop."""
        return await asyncio.to_thread(cls.planned, request, await shards_of(sources, request.tenant))

    @classmethod
    def planned(cls, request: SearchRequest, shards: tuple[Shard, ...]) -> PlannedSearch:
        """Return the search over some shards; no data are read."""
        newest = NewestTraces(request.limit, request.spans_per_set if request.query else 0)
        plan = _plan(request, newest)
        return cls(request, plan, match_work(plan, newest, shards))

    async def result(self, matches: Matches, executor: Executor) -> SearchResult:
        """Return matches as they are shown."""
        found = display_work(self.plan, matches, self.work.tasks)
        display = await executor.run(found) if matches else found.combine(())
        with_spans = bool(self.request.query)
        shown = (match for match in matches if (match.unit, match.trace) in display.traces)  # else its block is damaged
        traces = tuple(_found(match, display, with_spans=with_spans) for match in shown)
        return SearchResult(traces, _metrics(self.work.tasks, with_traces=not with_spans))


def _plan(request: SearchRequest, newest: NewestTraces) -> Plan:
    window = TimeRange(request.window.start_ns, request.window.end_ns)
    if not request.query:
        return build_tag_search(tagged_traces(request), window, newest)
    return optimize(build_search(understood(request.query), window, newest))


def _found(match: Match, display: Display, *, with_spans: bool) -> FoundTrace:
    trace = display.traces[match.unit, match.trace]
    return FoundTrace(
        trace_id=match.trace_id,
        start_ns=match.start_ns,
        duration_ns=trace.duration_ns,
        root_service=trace.root_service,
        root_name=trace.root_name,
        span_sets=tuple(_span_sets(match, display)) if with_spans else (),
        service_stats=trace.services if with_spans else {},
    )


def _span_sets(match: Match, display: Display) -> Sequence[SpanSet]:
    return [
        SpanSet(tuple(_span(display.spans[match.unit, row]) for row in found.rows), found.matched, found.attributes)
        for found in match.sets
    ]


def _span(span: ShownSpan) -> FoundSpan:
    name = next((str(value) for attribute, value in span.attributes if attribute == _NAME), None)
    attributes = tuple((bare_key(attribute), value) for attribute, value in span.attributes if attribute != _NAME)
    return FoundSpan(span.span_id, span.start_ns, span.duration_ns, name, attributes)


def _metrics(units: Sequence[ScanUnit], *, with_traces: bool) -> QueryMetrics:
    spans = sum(unit.meta.stop_span - unit.meta.first_span for unit in units)
    traces = sum(unit.traces for unit in units) if with_traces else 0
    blocks = len({unit.source.meta.id for unit in units})
    return QueryMetrics(
        inspected_traces=traces,
        inspected_spans=spans,
        total_blocks=blocks,
        total_jobs=len(units),
    )
