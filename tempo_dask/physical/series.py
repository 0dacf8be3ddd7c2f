"""Metrics as partition work: every unit gives cells (group x step), which join into one table of series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from tempo_dask.physical.all_stages import apply_stages
from tempo_dask.physical.exemplars import Candidates, candidates, join_candidates
from tempo_dask.physical.groups import Groups, LabelSet, group_by, without_arrays
from tempo_dask.physical.metric_function import MetricFunction, Planes, Spans
from tempo_dask.physical.metric_functions import metric_function
from tempo_dask.physical.operands import numeric, scalars, values_in
from tempo_dask.physical.spansets import Spansets, UnitScan, all_spans
from tempo_dask.physical.units import ScanUnit, Shard, decoded_bytes, units_of
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Plan, TimeSeries
from traceql.operators import MetricsFunction


@dataclass(frozen=True, slots=True)
class SeriesPartial:
    """Cells of each label set that occurred, a row each in every plane; and the exemplars chosen so far."""

    labels: tuple[LabelSet, ...]
    planes: Planes
    exemplars: Candidates = ()
    inspected_spans: int = 0


def series_work(plan: Plan, series: TimeSeries, shards: Iterable[Shard]) -> PartitionWork[ScanUnit, SeriesPartial]:
    """Return the work that fills the cells of all series."""
    units = units_of(shards, plan)
    join = partial(join_series, series=series)
    return PartitionWork(units, SeriesChunk(plan, series), join, task_bytes=decoded_bytes(units), name="match")


@dataclass(frozen=True, slots=True)
class SeriesChunk:
    """Fills the cells of one unit."""

    plan: Plan
    series: TimeSeries

    def __call__(self, number: int, unit: ScanUnit) -> SeriesPartial:
        """Return the cells that the spans of a unit fill; `number` is the place of the unit in the work."""
        scan = UnitScan.of(unit)
        spansets = apply_stages(self.plan.stages, all_spans(unit, scan, None), scan)
        inspected = scan.reader.row_count("spans")
        if spansets.is_empty:
            return SeriesPartial((), (), (), inspected)
        return self._fill(spansets, scan, number)

    def _fill(self, spansets: Spansets, scan: UnitScan, number: int) -> SeriesPartial:
        aggregate, window, reader = self.series.aggregate, self.plan.window, scan.reader
        starts = reader.data("spans", "start")
        groups = without_arrays(group_by([scan.binder.operand(attribute) for attribute in aggregate.by], reader))
        operand = aggregate.operand
        values = None if operand is None else scalars(values_in(scan.binder.operand(operand), "spans", reader))
        valued = spansets.mask if values is None else spansets.mask & numeric(values).present()
        function = metric_function(aggregate.function)
        planes = function.fill(self._spans(spansets, starts, groups), values)
        used = _used(planes)
        return SeriesPartial(
            tuple(groups.labels[code] for code in used.tolist()),
            tuple(plane[used] for plane in planes),
            candidates(self.series.exemplars, window, valued, groups, reader, number),
            reader.row_count("spans"),
        )

    def _spans(self, spansets: Spansets, starts: npt.NDArray[np.int64], groups: Groups) -> Spans:
        series = self.series
        return Spans(spansets.mask, starts, groups, self.plan.window.start_ns, series.step_ns, series.step_count)


def _used(planes: Planes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the groups that have something to count."""
    counts = planes[-1]
    return np.flatnonzero(counts.reshape(len(counts), -1).any(axis=1))


def join_series(partials: Iterable[SeriesPartial], *, series: TimeSeries) -> SeriesPartial:
    """Return one table of series: cells of equal label sets are joined as the function says."""
    parts = list(partials)
    filled = [part for part in parts if part.labels]
    exemplars = join_candidates(part.exemplars for part in parts)
    inspected = sum(part.inspected_spans for part in parts)
    if len(filled) == 1:
        return SeriesPartial(filled[0].labels, filled[0].planes, exemplars, inspected)
    rows: dict[LabelSet, int] = {}
    places = [[rows.setdefault(labels, len(rows)) for labels in part.labels] for part in filled]
    planes = _join_planes(metric_function(series.aggregate.function), filled, places, (len(rows), series.step_count))
    return SeriesPartial(tuple(rows), planes, exemplars, inspected)


def with_zeros(found: SeriesPartial, series: TimeSeries) -> SeriesPartial:
    """Return a count without groups as one series of zeros where no span was found at all."""
    aggregate = series.aggregate
    if found.labels or aggregate.by or aggregate.function not in (MetricsFunction.RATE, MetricsFunction.COUNT):
        return found
    planes = tuple(plane.of(1, series.step_count) for plane in metric_function(aggregate.function).planes)
    return replace(found, labels=((),), planes=planes)


def _join_planes(
    function: MetricFunction, parts: list[SeriesPartial], places: list[list[int]], shape: tuple[int, int]
) -> Planes:
    joined = tuple(plane.of(*shape) for plane in function.planes)
    for part, rows in zip(parts, places, strict=True):
        found = function.join(tuple(cells[rows] for cells in joined), part.planes)
        for cells, more in zip(joined, found, strict=True):
            cells[rows] = more
    return joined
