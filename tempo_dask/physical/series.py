"""Metrics as partition work: every unit gives cells (group x step), which join into one table of series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.series import take_codes
from tempo_dask.physical.all_stages import apply_stages
from tempo_dask.physical.cells import Cells, filled, join_cells
from tempo_dask.physical.cube_cache import PROCESS_CUBES
from tempo_dask.physical.exemplars import (
    Candidates,
    FineCandidates,
    candidates,
    fine_candidates,
    fine_slot,
    join_candidates,
    join_fine,
)
from tempo_dask.physical.groups import Groups, LabelSet, group_by
from tempo_dask.physical.metric_cubes import CubeWindow, FoundSeries, asked_of, cube_key, cube_window, cut
from tempo_dask.physical.metric_function import Spans
from tempo_dask.physical.metric_functions import metric_function
from tempo_dask.physical.metric_sketch import is_sketched, sketched
from tempo_dask.physical.operands import numeric, scalars, values_in
from tempo_dask.physical.scan_context import QueryCancelled, check_cancelled
from tempo_dask.physical.spansets import Spansets, UnitScan, all_spans
from tempo_dask.physical.unit_runs import UnitRun, runs_of
from tempo_dask.physical.units import ScanUnit, Shard, decoded_bytes
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Plan, TimeSeries
from traceql.operators import MetricsFunction


@dataclass(frozen=True, slots=True)
class SeriesPartial:
    """Cells of each label set that occurred, and the exemplars chosen so far."""

    cells: Cells = field(default_factory=Cells)
    exemplars: Candidates = ()
    inspected_spans: int = 0


def series_work(plan: Plan, series: TimeSeries, shards: Iterable[Shard]) -> PartitionWork[UnitRun, SeriesPartial]:
    """Return the work that fills the cells of all series."""
    runs = runs_of(shards, plan)
    join = partial(join_series, series=series)
    slot_ns = fine_slot(series)
    chunk = SeriesChunk(plan, series, slot_ns, asked_of(plan, series, slot_ns))
    task_bytes = decoded_bytes(unit for run in runs for unit in run.units)
    return PartitionWork(runs, chunk, join, task_bytes=task_bytes, name="match")


def series_work_of_groups(
    work: PartitionWork[UnitRun, SeriesPartial], groups: frozenset[LabelSet]
) -> PartitionWork[UnitRun, SeriesPartial]:
    """Return the same work over the spans of some groups alone."""
    return replace(work, chunk=replace(cast("SeriesChunk", work.chunk), groups=groups))


@dataclass(frozen=True, slots=True)
class SeriesChunk:
    """Fills the cells of the units of a run.

    `slot_ns` is the length of the slots for exemplars, `asked` tells cubes of different queries apart. `groups` are
    those whose spans count (None: all).
    """

    plan: Plan
    series: TimeSeries
    slot_ns: int
    asked: str
    groups: frozenset[LabelSet] | None = None

    def __call__(self, number: int, run: UnitRun) -> SeriesPartial:
        """Return the cells that the spans of a run fill; `number` is the place of the run in the work."""
        found = self._found(run)
        return SeriesPartial(found.cells, candidates(found.candidates, self.series, number), run.inspected_spans)

    def _found(self, run: UnitRun) -> FoundSeries:
        covered = cube_window(run, self.plan.window, self.series) if run.is_cubed and self.groups is None else None
        if covered is None:
            return self._joined([self._scanned(unit) for unit in run.units])
        return self._of_run(run, covered)

    def of_units(self, units: Sequence[ScanUnit]) -> FoundSeries:
        """Return what units give; several of them have cubes of their own.

        Those are kept in memory only: what a new block shares with live spans changes, and with it the cube of a run.
        """
        return self._scanned(units[0]) if len(units) == 1 else self._joined([self._of_unit(unit) for unit in units])

    def _of_unit(self, unit: ScanUnit) -> FoundSeries:
        run = UnitRun((unit,), 0)
        covered = cube_window(run, self.plan.window, self.series)
        return self._scanned(unit) if covered is None else self._of_run(run, covered, on_disk=False)

    def _of_run(self, run: UnitRun, covered: CubeWindow, *, on_disk: bool = True) -> FoundSeries:
        """Return the part of a run's cube that lies in the window."""
        make = partial(self._over(covered).of_units, run.units)
        found = self._cubed(run, make, on_disk=on_disk)
        return cut(found, covered, self.plan.window, self.series, self.slot_ns)

    def _cubed(self, run: UnitRun, make: Callable[[], FoundSeries], *, on_disk: bool) -> FoundSeries:
        key = cube_key(run, self.asked)
        try:
            found = PROCESS_CUBES.get_or_make(run.source.meta.id, key, make, FoundSeries.of_cube, on_disk=on_disk)
        except QueryCancelled:  # perhaps another query, which was making the same cube
            check_cancelled()
            return make()
        return cast("FoundSeries", found)

    def _over(self, covered: CubeWindow) -> SeriesChunk:
        """Return the same over other steps."""
        series = replace(self.series, step_count=covered.count)
        return SeriesChunk(covered.of_plan(self.plan), series, self.slot_ns, self.asked)

    def _joined(self, parts: Sequence[FoundSeries]) -> FoundSeries:
        if len(parts) == 1:
            return parts[0]
        cells = join_cells(metric_function(self.series), [part.cells for part in parts], self.series.step_count)
        return FoundSeries(cells, join_fine([part.candidates for part in parts]))

    def _scanned(self, unit: ScanUnit) -> FoundSeries:
        scan = UnitScan.of(unit)
        spansets = apply_stages(self.plan.stages, all_spans(unit, scan, None), scan)
        if spansets.is_empty:
            return FoundSeries(Cells(), FineCandidates.none())
        return self._fill(spansets, scan)

    def _fill(self, spansets: Spansets, scan: UnitScan) -> FoundSeries:
        aggregate, window, reader = self.series.aggregate, self.plan.window, scan.reader
        starts = reader.data("spans", "start")
        operands = [scan.binder.operand(attribute) for attribute in aggregate.by]
        groups = group_by(operands, reader, arrays_alike=True)
        if self.groups is not None:
            counts = np.array([labels in self.groups for labels in groups.labels], np.int32)
            spansets = spansets.only(take_codes(groups.rows, counts[groups.numbers]).astype(np.uint8))
        operand = aggregate.operand
        values = None if operand is None else scalars(values_in(scan.binder.operand(operand), "spans", reader))
        valued = spansets.mask if values is None else spansets.mask & numeric(values).present()
        chosen = fine_candidates(self.slot_ns, window, valued, groups, reader)
        spans = self._spans(spansets, starts, groups)
        if values is not None and is_sketched(self.series):
            return FoundSeries(sketched(spans, values), chosen)
        return FoundSeries(filled(metric_function(self.series), spans, values), chosen)

    def _spans(self, spansets: Spansets, starts: npt.NDArray[np.int64], groups: Groups) -> Spans:
        series = self.series
        return Spans(spansets.mask, starts, groups, self.plan.window.start_ns, series.step_ns, series.step_count)


def join_series(partials: Iterable[SeriesPartial], *, series: TimeSeries) -> SeriesPartial:
    """Return one table of series, and the exemplars of all."""
    parts = list(partials)
    cells = join_cells(metric_function(series), [part.cells for part in parts], series.step_count)
    exemplars = join_candidates(part.exemplars for part in parts)
    return SeriesPartial(cells, exemplars, sum(part.inspected_spans for part in parts))


def with_zeros(found: Cells, series: TimeSeries) -> Cells:
    """Return a count without groups as one series of zeros where no span was found at all."""
    aggregate = series.aggregate
    if found.labels or aggregate.by or aggregate.function not in (MetricsFunction.RATE, MetricsFunction.COUNT):
        return found
    planes = tuple(plane.of(1, series.step_count) for plane in metric_function(series).planes)
    return Cells(((),), planes)
