"""Metrics: from a query text to series of samples; at once is a range of one interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tempo_dask.engine.executors import Executor
from tempo_dask.engine.exemplars import answered_exemplars
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.engine.results import QueryMetrics, RangeResult, Series
from tempo_dask.engine.second_stages import apply_second_stages
from tempo_dask.engine.series import finished_series
from tempo_dask.engine.sources import SnapshotProvider, shards_of
from tempo_dask.physical.exemplars import choose, exemplar_work
from tempo_dask.physical.series import series_work, with_zeros
from tempo_dask.plan.build import build_series
from tempo_dask.plan.nodes import TimeRange
from tempo_dask.plan.optimize import optimize
from traceql import parse, require_valid, simplify

_TOO_MANY = (
    "Response exceeds maximum series limit of {}, a partial response is returned. "
    "Warning: the accuracy of each individual value is not guaranteed."
)


async def query_range(request: RangeRequest, sources: SnapshotProvider, executor: Executor) -> RangeResult:
    """Return a sample for each series and interval."""
    query = parse(request.query)
    require_valid(query)
    window = TimeRange(request.start_ns, request.end_ns)
    plan, series = build_series(simplify(query), window, request.step_ns, request.exemplars)
    plan = optimize(plan)
    work = series_work(plan, series, await shards_of(sources, request.tenant))
    found = await executor.run(work)
    shown = await executor.run(exemplar_work(plan, found.exemplars, work.tasks))
    exemplars = answered_exemplars(choose(found.exemplars, shown), shown, series)
    answer = [] if plan.is_empty else finished_series(with_zeros(found, series), plan, series, exemplars)
    times_ns = request.start_ns + np.arange(1, series.step_count + 1) * request.step_ns
    return _limited(times_ns, apply_second_stages(series.second, answer), request.max_series, found.inspected_spans)


def _limited(
    times_ns: npt.NDArray[np.int64], series: tuple[Series, ...], max_series: int, inspected_spans: int
) -> RangeResult:
    """Return at most so many series, and say so where some are left out."""
    metrics = QueryMetrics(inspected_spans=inspected_spans)
    if not max_series or len(series) <= max_series:
        return RangeResult(times_ns, series, metrics)
    return RangeResult(times_ns, series[:max_series], metrics, _TOO_MANY.format(max_series))
