"""How a search is answered: what is planned, pruned and read, and where the time goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from tempo_dask.engine.query import RunningQuery
from tempo_dask.engine.requests import SearchRequest
from tempo_dask.engine.results import QueryMetrics
from tempo_dask.engine.search import PlannedSearch
from tempo_dask.engine.sources import SnapshotProvider, shards_of
from tempo_dask.physical.metered import Cost
from tempo_dask.physical.pruned import SourceScan, source_scans, stage_text
from traceql import format_query, parse


@dataclass(frozen=True, slots=True)
class Explanation:
    """A search that was answered to be explained.

    `seconds` are those of the clock, by step; `costs` those of threads and what they read, by pass; `graph_tasks` the
    tasks of the Dask graphs of all passes.
    """

    query: str
    stages: tuple[str, ...]
    sources: tuple[SourceScan, ...]
    seconds: Mapping[str, float]
    costs: Mapping[str, Cost]
    graph_tasks: int
    traces: int
    metrics: QueryMetrics


async def explain(request: SearchRequest, sources: SnapshotProvider, query: RunningQuery) -> Explanation:
    """Answer a search, and return how that went."""
    clock = [time.perf_counter()]
    shards = await shards_of(sources, request.tenant)
    clock.append(time.perf_counter())
    search = await asyncio.to_thread(PlannedSearch.planned, request, shards)
    clock.append(time.perf_counter())
    matches = await query.run(search.work)
    clock.append(time.perf_counter())
    result = await search.result(matches, query)
    clock.append(time.perf_counter())
    taken = (after - before for before, after in pairwise(clock))
    return Explanation(
        format_query(parse(request.query)) if request.query else "",
        tuple(stage_text(stage) for stage in search.plan.stages),
        await asyncio.to_thread(source_scans, shards, search.plan),
        dict(zip(("snapshot", "plan", "match", "display"), taken, strict=True)),
        dict(query.costs),
        query.graph_tasks,
        len(result.traces),
        result.metrics,
    )
