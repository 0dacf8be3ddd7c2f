"""`compare({ selection })` as partition work: values of every attribute, counted in one pass over each column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import steps_of
from tempo_dask.kernels.slots import Slots
from tempo_dask.physical.all_stages import apply_stages
from tempo_dask.physical.compared_attributes import compared_attributes
from tempo_dask.physical.compared_counter import CompareCounter
from tempo_dask.physical.compared_values import SIDES, Steps, ValueCounts, joined
from tempo_dask.physical.spansets import UnitScan, all_spans
from tempo_dask.physical.units import ScanUnit, Shard, decoded_bytes, units_of
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Comparison, Plan

_NO_STEPS = Steps(0, 0)


@dataclass(frozen=True, slots=True)
class ComparePartial:
    """Counts of each attribute that occurred, by the key under which it is shown, over a run of steps."""

    attributes: Mapping[str, ValueCounts] = field(default_factory=dict)
    inspected_spans: int = 0
    run: Steps = _NO_STEPS


def compare_work(
    plan: Plan, comparison: Comparison, shards: Iterable[Shard]
) -> PartitionWork[ScanUnit, ComparePartial]:
    """Return the work that counts the values of all attributes."""
    units = units_of(shards, plan)
    return PartitionWork(
        units, CompareChunk(plan, comparison), join_compared, task_bytes=decoded_bytes(units), name="match"
    )


@dataclass(frozen=True, slots=True)
class CompareChunk:
    """Counts the values of one unit."""

    plan: Plan
    comparison: Comparison

    def __call__(self, number: int, unit: ScanUnit) -> ComparePartial:  # noqa: ARG002  # all chunks are called so
        """Return how often each value occurs among the spans that pass the stages."""
        scan = UnitScan.of(unit)
        spansets = apply_stages(self.plan.stages, all_spans(unit, scan, None), scan)
        inspected = scan.reader.row_count("spans")
        if spansets.is_empty:
            return ComparePartial({}, inspected)
        selection = apply_stages((self.comparison.selection,), spansets, scan).mask
        slots, run = self._slots(spansets.mask, selection, scan)
        if not run.count:
            return ComparePartial({}, inspected)
        counter = CompareCounter(scan, slots, run)
        found = ((attribute.key, counter.count(attribute)) for attribute in compared_attributes(scan.reader))
        return ComparePartial({key: counts for key, counts in found if not counts.is_empty}, inspected, run)

    def _slots(self, mask: Mask, selection: Mask, scan: UnitScan) -> tuple[Slots, Steps]:
        """Return step and side of each span as one number, -1 for those that do not count, and which steps occur."""
        comparison, starts = self.comparison, scan.reader.data("spans", "start")
        selected = comparison.selected
        if selected is not None:
            selection = selection & ((starts > selected.start_ns) & (starts <= selected.end_ns)).view(np.uint8)
        steps = steps_of(starts, self.plan.window.start_ns, comparison.step_ns, comparison.step_count)
        steps = np.where(mask.view(np.bool_), steps, np.int32(-1))
        last = int(steps.max(initial=-1))
        if last < 0:
            return steps, _NO_STEPS
        first = int(steps.min(where=steps >= 0, initial=last))
        run = Steps(first, last - first + 1)
        slots = selection.astype(np.int32) * np.int32(run.count) + (steps - np.int32(first))
        return np.where(steps >= 0, slots, np.int32(-1)).astype(np.int32, copy=False), run


def join_compared(partials: Iterable[ComparePartial]) -> ComparePartial:
    """Return counts of equal values added."""
    parts = list(partials)
    inspected = sum(part.inspected_spans for part in parts)
    some = [part for part in parts if part.run.count]
    if not some:
        return ComparePartial({}, inspected)
    run = Steps.around([part.run for part in some])
    keys = dict.fromkeys(key for part in some for key in part.attributes)
    return ComparePartial({key: _over(run, key, some) for key in keys}, inspected, run)


def _over(run: Steps, key: str, parts: Sequence[ComparePartial]) -> ValueCounts:
    """Return the counts of one attribute over the steps of all parts."""
    found = [(part.attributes[key], part.run) for part in parts if key in part.attributes]
    if len(found) == 1 and found[0][1] == run:
        return found[0][0]
    nothing = np.zeros(SIDES * run.count, np.int64)
    return joined(
        [ValueCounts((), nothing, nothing), *(counts for counts, _ in found)], [run, *(of for _, of in found)]
    )
