"""`compare({ selection })` as partition work: values of every attribute, counted in one pass over each column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import steps_of
from tempo_dask.kernels.slots import Slots
from tempo_dask.physical.all_stages import apply_stages
from tempo_dask.physical.compared_attributes import compared_attributes
from tempo_dask.physical.compared_counter import CompareCounter
from tempo_dask.physical.compared_values import ValueCounts, joined
from tempo_dask.physical.spansets import UnitScan, all_spans
from tempo_dask.physical.units import ScanUnit, Shard, decoded_bytes, units_of
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Comparison, Plan


@dataclass(frozen=True, slots=True)
class ComparePartial:
    """Counts of each attribute that occurred, by the key under which it is shown."""

    attributes: Mapping[str, ValueCounts] = field(default_factory=dict)
    inspected_spans: int = 0


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
        counter = CompareCounter(scan, self._slots(spansets.mask, selection, scan), self.comparison.step_count)
        found = ((attribute.key, counter.count(attribute)) for attribute in compared_attributes(scan.reader))
        return ComparePartial({key: counts for key, counts in found if not counts.is_empty}, inspected)

    def _slots(self, mask: Mask, selection: Mask, scan: UnitScan) -> Slots:
        """Return step and side of each span as one number, -1 for those that do not count."""
        comparison, starts = self.comparison, scan.reader.data("spans", "start")
        selected = comparison.selected
        if selected is not None:
            selection = selection & ((starts > selected.start_ns) & (starts <= selected.end_ns)).view(np.uint8)
        steps = steps_of(starts, self.plan.window.start_ns, comparison.step_ns, comparison.step_count)
        slots = selection.astype(np.int32) * np.int32(comparison.step_count) + steps
        return np.where((steps >= 0) & mask.view(np.bool_), slots, np.int32(-1)).astype(np.int32, copy=False)


def join_compared(partials: Iterable[ComparePartial]) -> ComparePartial:
    """Return counts of equal values added."""
    parts = list(partials)
    keys = dict.fromkeys(key for part in parts for key in part.attributes)
    found = {key: [part.attributes[key] for part in parts if key in part.attributes] for key in keys}
    counts = {key: of_key[0] if len(of_key) == 1 else joined(of_key) for key, of_key in found.items()}
    return ComparePartial(counts, sum(part.inspected_spans for part in parts))
