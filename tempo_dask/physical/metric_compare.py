"""`compare({ selection })` as partition work: values of every attribute, counted in one pass over each column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from storage.columns import TableName
from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import steps_of
from tempo_dask.kernels.slots import Slots, count_slots
from tempo_dask.physical.all_stages import apply_stages
from tempo_dask.physical.bound import Absent, AttributeColumns
from tempo_dask.physical.compared_attributes import Compared, compared_attributes
from tempo_dask.physical.groups import ARRAY_LABEL, Groups, Label, group_by, relabelled
from tempo_dask.physical.operands import operand_table
from tempo_dask.physical.spansets import UnitScan, all_spans
from tempo_dask.physical.units import ScanUnit, Shard, decoded_bytes, units_of
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Comparison, Plan

Counts: TypeAlias = npt.NDArray[np.int64]

#: Cells kept of one attribute; of more values the most frequent ones are told apart.
MAX_CELLS = 1 << 20


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """How often the values of an attribute occur: `counts[value, side, step]`; side 1 is the selection.

    `others` (side, step) counts the spans of values that were too many to tell apart.
    """

    labels: tuple[Label, ...]
    counts: Counts
    others: Counts


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
    join = partial(join_compared, steps=comparison.step_count)
    return PartitionWork(units, CompareChunk(plan, comparison), join, task_bytes=decoded_bytes(units), name="match")


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
        counter = _Counter(scan, self._slots(spansets.mask, selection, scan), self.comparison.step_count)
        found = ((attribute.key, counter.count(attribute)) for attribute in compared_attributes(scan.reader))
        return ComparePartial({key: counts for key, counts in found if counts.labels}, inspected)

    def _slots(self, mask: Mask, selection: Mask, scan: UnitScan) -> Slots:
        """Return step and side of each span as one number, -1 for those that do not count."""
        comparison, starts = self.comparison, scan.reader.data("spans", "start")
        selected = comparison.selected
        if selected is not None:
            selection = selection & ((starts > selected.start_ns) & (starts <= selected.end_ns)).view(np.uint8)
        steps = steps_of(starts, self.plan.window.start_ns, comparison.step_ns, comparison.step_count)
        slots = selection.astype(np.int32) * np.int32(comparison.step_count) + steps
        return np.where((steps >= 0) & mask.view(np.bool_), slots, np.int32(-1)).astype(np.int32, copy=False)


@dataclass(slots=True)
class _Counter:
    """Counts one attribute after another over the same slots."""

    scan: UnitScan
    slots: Slots
    steps: int
    _tables: dict[TableName, Counts] = field(default_factory=dict)

    def count(self, attribute: Compared) -> ValueCounts:
        """Return the counts of an attribute's values, without those that do not occur."""
        operand = self.scan.binder.operand(attribute.reference)
        groups = group_by([operand], self.scan.reader, arrays_alike=True)
        table = "spans" if isinstance(operand, Absent) else operand_table(operand)
        if isinstance(operand, AttributeColumns) and operand.rest_key is not None:
            groups = _with_hidden(groups, self.scan.reader.has_rest_key(table, operand.rest_key))
        if attribute.is_of_all_spans:
            groups = relabelled(groups, tuple((ARRAY_LABEL,) if label == (None,) else label for label in groups.labels))
        cells, kept, others = self._cells(groups, table)
        rows = np.flatnonzero(cells.any(axis=1) & np.array([groups.labels[at] != (None,) for at in kept]))
        labels = tuple(groups.labels[kept[row]][0] for row in rows.tolist())
        return ValueCounts(labels, cells[rows].reshape(-1, 2, self.steps), others.reshape(2, self.steps))

    def _cells(self, groups: Groups, table: TableName) -> tuple[Counts, list[int], Counts]:
        """Return counts (values, slots), which groups these values are, and the counts of all others."""
        width, values = 2 * self.steps, len(groups.labels)
        everything = list(range(values)), np.zeros(width, np.int64)
        if table in ("resources", "scopes"):
            by_row = self._of_rows(table)
            cells = np.zeros((values, width), np.int64)
            np.add.at(cells, groups.numbers[: len(by_row)], by_row)
            return cells, *everything
        if values * width <= MAX_CELLS:
            return count_slots(self.slots, groups.rows, groups.numbers, values, width), *everything
        sides = np.where(self.slots >= 0, self.slots // np.int32(self.steps), np.int32(-1))
        totals = count_slots(sides, groups.rows, groups.numbers, values, 2)
        kept = np.flatnonzero(_most_frequent(totals, MAX_CELLS // width))
        numbers = np.full(values, len(kept), np.int32)
        numbers[kept] = np.arange(len(kept), dtype=np.int32)
        cells = count_slots(self.slots, groups.rows, numbers[groups.numbers], len(kept) + 1, width)
        return cells[:-1], kept.tolist(), cells[-1]

    def _of_rows(self, table: TableName) -> Counts:
        """Return the counts of the rows of a small table, which serve all attributes of that table."""
        if table not in self._tables:
            rows = self.scan.reader.row_count(table)
            numbers = np.arange(rows, dtype=np.int32)
            references = self.scan.reader.references(table)
            self._tables[table] = count_slots(self.slots, references, numbers, rows, 2 * self.steps)
        return self._tables[table]


def _with_hidden(groups: Groups, hidden: Mask) -> Groups:
    """Return groups in which rows that have a value no query sees are like arrays, not without a value."""
    if (None,) not in groups.labels or not hidden.any():
        return groups
    missing = groups.labels.index((None,))
    labels = (*groups.labels, (ARRAY_LABEL,))
    if len(hidden) == len(groups.numbers):  # the rows of a small table
        numbers = np.where((groups.numbers == missing) & (hidden == 1), len(groups.labels), groups.numbers)
        return relabelled(Groups(groups.rows, numbers.astype(np.int32), labels), labels)
    codes = groups.codes
    found = np.where((codes == missing) & (hidden == 1), len(groups.labels), codes)
    return relabelled(Groups.of(found.astype(np.int32), labels), labels)


def _most_frequent(totals: Counts, limit: int) -> npt.NDArray[np.bool_]:
    """Return which values to keep: those that are most frequent in either side (totals: values, sides)."""
    kept = np.zeros(len(totals), np.bool_)
    for side in range(2):
        kept[np.argsort(-totals[:, side], kind="stable")[: max(limit // 2, 1)]] = True
    return kept


def join_compared(partials: Iterable[ComparePartial], *, steps: int) -> ComparePartial:
    """Return counts of equal values added."""
    parts = list(partials)
    keys = dict.fromkeys(key for part in parts for key in part.attributes)
    found = {key: [part.attributes[key] for part in parts if key in part.attributes] for key in keys}
    joined = {key: of_key[0] if len(of_key) == 1 else _join(of_key, steps) for key, of_key in found.items()}
    return ComparePartial(joined, sum(part.inspected_spans for part in parts))


def _join(parts: list[ValueCounts], steps: int) -> ValueCounts:
    rows: dict[Label, int] = {}
    places = [[rows.setdefault(label, len(rows)) for label in part.labels] for part in parts]
    counts = np.zeros((len(rows), 2, steps), np.int64)
    for part, at in zip(parts, places, strict=True):
        counts[at] += part.counts
    others = np.sum([part.others for part in parts], axis=0)
    labels = tuple(rows)
    if counts.size <= MAX_CELLS:
        return ValueCounts(labels, counts, others)
    kept = _most_frequent(counts.sum(axis=2), MAX_CELLS // (2 * steps))
    left = np.flatnonzero(kept)
    return ValueCounts(tuple(labels[row] for row in left.tolist()), counts[left], others + counts[~kept].sum(axis=0))
