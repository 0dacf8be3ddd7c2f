"""Metrics over a range: from a query text to series of samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tempo_dask.engine.executors import Executor
from tempo_dask.engine.labels import series_labels, series_order
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.engine.results import Exemplar, Labels, QueryMetrics, RangeResult, Series
from tempo_dask.engine.sources import SnapshotProvider, shards_of
from tempo_dask.physical.display import Display, ShownSpan
from tempo_dask.physical.exemplars import Candidate, one_per_trace
from tempo_dask.physical.groups import LabelSet
from tempo_dask.physical.metric_functions import metric_function
from tempo_dask.physical.search import exemplar_work
from tempo_dask.physical.series import SeriesPartial, series_work, with_zeros
from tempo_dask.plan.build import build_series
from tempo_dask.plan.nodes import Plan, TimeRange, TimeSeries
from tempo_dask.plan.optimize import optimize
from traceql import parse, require_valid, shown, simplify

_NS_PER_S = 1_000_000_000


async def query_range(request: RangeRequest, sources: SnapshotProvider, executor: Executor) -> RangeResult:
    """Return a sample for each series and interval."""
    query = parse(request.query)
    require_valid(query)
    window = TimeRange(request.start_ns, request.end_ns)
    plan, series = build_series(simplify(query), window, request.step_ns, request.exemplars)
    plan = optimize(plan)
    work = series_work(plan, series, await shards_of(sources, request.tenant))
    found = await executor.run(work)
    chosen = one_per_trace(found.exemplars)
    display = await executor.run(exemplar_work(plan, chosen, work.tasks))
    times = request.start_ns + np.arange(1, series.step_count + 1) * request.step_ns
    answer = [] if plan.is_empty else _series(with_zeros(found, series), series, plan, _exemplars(chosen, display))
    return RangeResult(times, tuple(answer), QueryMetrics(inspected_spans=found.inspected_spans))


def _series(
    found: SeriesPartial, series: TimeSeries, plan: Plan, exemplars: Mapping[LabelSet, Sequence[Exemplar]]
) -> list[Series]:
    """Return the series with a sample, in the order in which they are shown."""
    answer = []
    for added, samples in metric_function(series.aggregate.function).finish(found.planes, series):
        for labels, values in zip(found.labels, samples, strict=True):
            if not np.isnan(values).all():
                named = series_labels(series.aggregate, labels, added)
                answer.append(Series(named, values, _valued(exemplars.get(labels, ()), values, series, plan)))
    return sorted(answer, key=series_order)


def _valued(
    exemplars: Sequence[Exemplar], values: npt.NDArray[np.float64], series: TimeSeries, plan: Plan
) -> tuple[Exemplar, ...]:
    """Return exemplars of spans that are counted with the sample of their interval as value."""
    steps = [(exemplar.time_ns - plan.window.start_ns - 1) // series.step_ns for exemplar in exemplars]
    return tuple(replace(e, value=float(values[step])) for e, step in zip(exemplars, steps, strict=True))


def _exemplars(chosen: Iterable[Candidate], display: Display) -> Mapping[LabelSet, Sequence[Exemplar]]:
    """Return the exemplars of each label set, in order of time; their value is the duration in seconds."""
    found: dict[LabelSet, list[Exemplar]] = {}
    for candidate in chosen:
        span = display.spans[candidate.unit, candidate.row]
        labels = (("trace:id", candidate.trace_id.hex().lstrip("0")), *_shown_labels(span))
        exemplar = Exemplar(labels, span.duration_ns / _NS_PER_S, candidate.start_ns)
        found.setdefault(candidate.labels, []).append(exemplar)
    return found


def _shown_labels(span: ShownSpan) -> Labels:
    name = () if span.name is None else (("name", span.name),)
    return (*name, *((shown(attribute), value) for attribute, value in span.attributes))
