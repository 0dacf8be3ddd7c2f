"""Metrics as partition work: every unit gives cells (group x step), which join into one table of series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from storage.chunk import Chunk
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
)
from tempo_dask.physical.groups import Groups, group_by
from tempo_dask.physical.metric_cubes import UnitSeries, asked_of, cube_key, cube_window, cut
from tempo_dask.physical.metric_function import Spans
from tempo_dask.physical.metric_functions import metric_function
from tempo_dask.physical.metric_sketch import is_sketched, sketched
from tempo_dask.physical.operands import numeric, scalars, values_in
from tempo_dask.physical.scan_context import QueryCancelled, check_cancelled
from tempo_dask.physical.spansets import Spansets, UnitScan, all_spans
from tempo_dask.physical.units import ScanUnit, Shard, decoded_bytes, units_of
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Plan, TimeSeries
from traceql.operators import MetricsFunction


@dataclass(frozen=True, slots=True)
class SeriesPartial:
    """Cells of each label set that occurred, and the exemplars chosen so far."""

    cells: Cells = field(default_factory=Cells)
    exemplars: Candidates = ()
    inspected_spans: int = 0


def series_work(plan: Plan, series: TimeSeries, shards: Iterable[Shard]) -> PartitionWork[ScanUnit, SeriesPartial]:
    """Return the work that fills the cells of all series."""
    units = units_of(shards, plan)
    join = partial(join_series, series=series)
    chunk = SeriesChunk(plan, series, asked_of(plan, series, fine_slot(series)))
    return PartitionWork(units, chunk, join, task_bytes=decoded_bytes(units), name="match")


@dataclass(frozen=True, slots=True)
class SeriesChunk:
    """Fills the cells of one unit."""

    plan: Plan
    series: TimeSeries
    asked: str = ""  # tells cubes of different queries apart

    def __call__(self, number: int, unit: ScanUnit) -> SeriesPartial:
        """Return the cells that the spans of a unit fill; `number` is the place of the unit in the work."""
        found = self._from_cube(unit) or self._scanned(unit, fine_slot(self.series))
        return SeriesPartial(found.cells, candidates(found.candidates, self.series, number), found.inspected_spans)

    def _from_cube(self, unit: ScanUnit) -> UnitSeries | None:
        """Return what the cube of the unit says, which is made where there is none; None without a cube."""
        plan, series, slot_ns = self.plan, self.series, fine_slot(self.series)
        covered = cube_window(unit, plan.window, series) if is_cubed(unit) else None
        if covered is None:
            return None
        whole = SeriesChunk(covered.of_plan(plan), replace(series, step_count=covered.count))
        key = cube_key(unit, self.asked)
        try:
            found = PROCESS_CUBES.get_or_make(
                unit.source.meta.id, key, lambda: whole._scanned(unit, slot_ns), UnitSeries.of_cube
            )
        except QueryCancelled:  # perhaps another query, which was making the same cube
            check_cancelled()
            return None
        return cut(found, covered, plan.window, series, slot_ns) if isinstance(found, UnitSeries) else None

    def _scanned(self, unit: ScanUnit, slot_ns: int) -> UnitSeries:
        scan = UnitScan.of(unit)
        spansets = apply_stages(self.plan.stages, all_spans(unit, scan, None), scan)
        if spansets.is_empty:
            return UnitSeries(Cells(), FineCandidates.none(), scan.reader.row_count("spans"))
        return self._fill(spansets, scan, slot_ns)

    def _fill(self, spansets: Spansets, scan: UnitScan, slot_ns: int) -> UnitSeries:
        aggregate, window, reader = self.series.aggregate, self.plan.window, scan.reader
        starts = reader.data("spans", "start")
        operands = [scan.binder.operand(attribute) for attribute in aggregate.by]
        groups = group_by(operands, reader, arrays_alike=True)
        operand = aggregate.operand
        values = None if operand is None else scalars(values_in(scan.binder.operand(operand), "spans", reader))
        valued = spansets.mask if values is None else spansets.mask & numeric(values).present()
        chosen = fine_candidates(slot_ns, window, valued, groups, reader)
        if values is not None and is_sketched(self.series):
            groups, numbers = sketched(groups, values)
            spansets = spansets.only(numbers)
        cells = filled(metric_function(self.series), self._spans(spansets, starts, groups), values)
        return UnitSeries(cells, chosen, reader.row_count("spans"))

    def _spans(self, spansets: Spansets, starts: npt.NDArray[np.int64], groups: Groups) -> Spans:
        series = self.series
        return Spans(spansets.mask, starts, groups, self.plan.window.start_ns, series.step_ns, series.step_count)


def is_cubed(unit: ScanUnit) -> bool:
    """Return whether cubes of a unit are kept: of sealed blocks, not of live chunks and stitched traces."""
    is_large = unit.meta.stop_span - unit.meta.first_span >= PROCESS_CUBES.least_spans
    return PROCESS_CUBES.is_on and is_large and not isinstance(unit.source, Chunk)


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
