"""Metrics: from a query text to series of samples; at once is a range of one interval."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tempo_dask.engine.executors import Executor
from tempo_dask.engine.metric_questions import Found, Question, Scanned, question
from tempo_dask.engine.query_texts import understood
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.engine.results import QueryMetrics, RangeResult, Series
from tempo_dask.engine.second_stages import apply_second_stages
from tempo_dask.engine.series_arithmetic import combined
from tempo_dask.engine.sources import SnapshotProvider, shards_of
from tempo_dask.engine.waves import in_waves
from tempo_dask.physical.units import Shard
from tempo_dask.plan.build import build_metrics
from tempo_dask.plan.nodes import MetricsPlan, SeriesPlan, TimeRange

_TOO_MANY = (
    "Response exceeds maximum series limit of {}, a partial response is returned. "
    "Warning: the accuracy of each individual value is not guaranteed."
)
_TOO_MANY_GROUPS = "The query has more series than one answer has room for; those that count most spans are returned."


async def query_range(request: RangeRequest, sources: SnapshotProvider, executor: Executor) -> RangeResult:
    """Return a sample for each series and interval."""
    plan, shards = await _planned(request, sources)
    return _result(request, await _answer(plan, shards, executor))


async def stream_range(
    request: RangeRequest, sources: SnapshotProvider, executor: Executor
) -> AsyncIterator[RangeResult]:
    """Yield samples of the newest intervals as soon as nothing can change them, all that is known each time.

    The last result is the whole answer, and the only one with exemplars. Arithmetic is answered at once. Where the
    request bounds the number of series, those before it have none: which ones are kept is known at the end alone.
    """
    plan, shards = await _planned(request, sources)
    if not isinstance(plan, SeriesPlan):
        yield _result(request, await _answer(plan, shards, executor))
        return
    asked = question(plan.plan, shards)
    told = request.end_ns
    async for progress in in_waves(asked.work, executor):
        found, settled_ns = progress.found, _settled(progress.waiting, request)
        if not progress.waiting:
            yield _result(request, await _whole(plan, asked, found, executor))
        elif settled_ns < told:
            told = settled_ns
            series = () if request.max_series else asked.series(found)
            settled = (_since(one, settled_ns, request) for one in series)
            seen = [one for one in settled if not np.isnan(one.values).all()]
            yield _result(request, _answered(plan, asked, found, seen))


@dataclass(frozen=True, slots=True)
class _Answer:
    """Finished series, and what they cost."""

    series: tuple[Series, ...]
    metrics: QueryMetrics
    is_cut: bool = False  # whether there were more series than one answer has room for


async def _planned(request: RangeRequest, sources: SnapshotProvider) -> tuple[MetricsPlan, tuple[Shard, ...]]:
    query = understood(request.query)
    window = TimeRange(request.start_ns, request.end_ns)
    plan = build_metrics(query, window, request.step_ns, request.exemplars)
    return plan, await shards_of(sources, request.tenant)


async def _answer(plan: MetricsPlan, shards: tuple[Shard, ...], executor: Executor) -> _Answer:
    """Return the series of a plan, those of both sides where it combines two."""
    if isinstance(plan, SeriesPlan):
        asked = await asyncio.to_thread(question, plan.plan, shards)
        found = await executor.run(asked.work)
        return await _whole(plan, asked, found, executor)
    lhs, rhs = await _answer(plan.lhs, shards, executor), await _answer(plan.rhs, shards, executor)
    joined = combined(plan.op, lhs.series, rhs.series)
    series = apply_second_stages(plan.second, joined)
    return _Answer(series, _sum(lhs.metrics, rhs.metrics), lhs.is_cut or rhs.is_cut)


async def _whole(plan: SeriesPlan, asked: Question[Found], found: Found, executor: Executor) -> _Answer:
    """Return the answer with exemplars; series that later stages left have their own."""
    answer = _answered(plan, asked, found, await asked.answer(found, executor))
    if not plan.second:
        return answer
    return replace(answer, series=tuple(await asked.with_exemplars(answer.series, found, executor)))


def _answered(plan: SeriesPlan, asked: Question[Found], found: Found, series: Sequence[Series]) -> _Answer:
    cost = _cost(asked.work.tasks, found.inspected_spans)
    return _Answer(apply_second_stages(plan.second, series), cost, asked.is_cut(found))


def _settled(waiting: Sequence[Scanned], request: RangeRequest) -> int:
    """Return the time after which no span of the tasks that wait starts, on the edge of an interval."""
    newest_ns = max((task.end_ns for task in waiting), default=request.start_ns)
    steps = -((request.start_ns - newest_ns) // request.step_ns)
    return request.start_ns + max(steps, 0) * request.step_ns


def _since(series: Series, settled_ns: int, request: RangeRequest) -> Series:
    """Return a series without samples of intervals that begin before."""
    values: npt.NDArray[np.float64] = series.values.copy()
    values[: (settled_ns - request.start_ns) // request.step_ns] = np.nan
    return replace(series, values=values)


def _result(request: RangeRequest, answer: _Answer) -> RangeResult:
    """Return at most as many series as wanted, and say so where some are left out."""
    count = -((request.start_ns - request.end_ns) // request.step_ns)
    times_ns = request.start_ns + np.arange(1, count + 1) * request.step_ns
    if not request.max_series or len(answer.series) <= request.max_series:
        return RangeResult(times_ns, answer.series, answer.metrics, _TOO_MANY_GROUPS if answer.is_cut else "")
    message = _TOO_MANY.format(request.max_series)
    return RangeResult(times_ns, answer.series[: request.max_series], answer.metrics, message)


def _cost(tasks: Sequence[Scanned], inspected_spans: int) -> QueryMetrics:
    blocks = len({task.source.meta.id for task in tasks})
    jobs = len(tasks)
    return QueryMetrics(inspected_spans=inspected_spans, total_blocks=blocks, total_jobs=jobs, completed_jobs=jobs)


def _sum(lhs: QueryMetrics, rhs: QueryMetrics) -> QueryMetrics:
    return QueryMetrics(
        inspected_spans=lhs.inspected_spans + rhs.inspected_spans,
        total_blocks=max(lhs.total_blocks, rhs.total_blocks),
        total_jobs=lhs.total_jobs + rhs.total_jobs,
        completed_jobs=lhs.completed_jobs + rhs.completed_jobs,
    )
