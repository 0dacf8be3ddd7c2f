"""Counts the values of one attribute after another over the same slots of a unit's spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import TableName
from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import take_codes
from tempo_dask.kernels.slots import Slots, count_slots
from tempo_dask.physical.bound import Absent, AttributeColumns, Operand
from tempo_dask.physical.compared_attributes import Compared
from tempo_dask.physical.compared_values import (
    MAX_CELLS,
    SIDES,
    Counts,
    Steps,
    TypedCounts,
    ValueCounts,
    joined,
    most_frequent,
)
from tempo_dask.physical.groups import distinct_numbers
from tempo_dask.physical.operands import operand_table, scalars, values_of
from tempo_dask.physical.spansets import UnitScan
from tempo_dask.physical.values import Part, Values


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Values as numbers: row `i` has `values[codes[i]]` where it is valid, none where its code is -1."""

    codes: npt.NDArray[Any]
    valid: Mask | None
    values: pa.Array


@dataclass(slots=True)
class CompareCounter:
    """Counts attributes over a run of steps.

    `slots` is side times their count plus step of each span, -1 for spans that do not count.
    """

    scan: UnitScan
    slots: Slots
    run: Steps
    _tables: dict[TableName, Counts] = field(default_factory=dict)

    def count(self, attribute: Compared) -> ValueCounts:
        """Return the counts of an attribute's values, without those that do not occur."""
        is_absent = isinstance(attribute.operand, Absent)
        found = self._nothing() if is_absent else self._counted(attribute.operand)
        if not attribute.is_of_all_spans:
            return found
        valued = sum((part.counts.sum(axis=0) for part in found.parts), found.others)
        return ValueCounts(found.parts, self._all() - valued, found.others)

    @property
    def _width(self) -> int:
        return SIDES * self.run.count

    def _all(self) -> Counts:
        """Return how many spans are in each slot."""
        found: Counts = self._of_rows("resources").sum(axis=0)
        return found

    def _nothing(self) -> ValueCounts:
        nothing = np.zeros(self._width, np.int64)
        return ValueCounts((), nothing, nothing)

    def _counted(self, operand: Operand) -> ValueCounts:
        table, reader = operand_table(operand), self.scan.reader
        values = values_of(operand, reader)
        counted = [self._of_type(part, table) for part in values.parts]
        if isinstance(operand, AttributeColumns) and operand.rest_key is not None:
            hidden: Mask = reader.has_rest_key(table, operand.rest_key) & ~values.present()
            counted.append(self._of_nil(hidden, table))
        return counted[0] if len(counted) == 1 else self._joined([self._nothing(), *counted])

    def _of_type(self, part: Part, table: TableName) -> ValueCounts:
        """Count the values of one type; a list of one element counts as that element."""
        if not part.type.is_array:
            return self._of_scalars(part, table)
        (single,) = scalars(Values(0, (part,))).parts
        is_one = single.column.valid
        if is_one is None:
            return self._of_scalars(single, table)
        lists: Mask = is_one ^ np.uint8(1) if part.column.valid is None else part.column.valid & ~is_one
        return self._joined([self._of_scalars(single, table), self._of_nil(lists, table)])

    def _joined(self, parts: Sequence[ValueCounts]) -> ValueCounts:
        return joined(parts, [self.run] * len(parts))

    def _of_nil(self, mask: Mask, table: TableName) -> ValueCounts:
        alone = _Numbered(np.zeros(len(mask), np.int32), mask, pa.array([""], pa.string()))
        counts, nothing = self._cells(alone, table)[0], np.zeros(self._width, np.int64)
        return ValueCounts((), counts[0], nothing)

    def _of_scalars(self, part: Part, table: TableName) -> ValueCounts:
        numbered = _numbered(part)
        cells, kept, others = self._cells(numbered, table)
        used = np.flatnonzero(cells.any(axis=1))
        nothing = np.zeros(self._width, np.int64)
        if not len(used):
            return ValueCounts((), nothing, others)
        values = numbered.values if kept is None else numbered.values.take(pa.array(kept))
        found = TypedCounts(part.type, values, cells)
        return ValueCounts((found if len(used) == len(values) else found.take(used),), nothing, others)

    def _cells(self, found: _Numbered, table: TableName) -> tuple[Counts, npt.NDArray[np.int64] | None, Counts]:
        """Return counts (values, slots), which values these are (None: all), and the counts of all others."""
        width, count = self._width, len(found.values)
        nothing = np.zeros(width, np.int64)
        if table in ("resources", "scopes"):
            return _summed(self._of_rows(table), found), None, nothing
        if table == "traces":
            found = self._of_spans(found)
        if count * width <= MAX_CELLS:
            return count_slots(self.slots, found.codes, found.valid, count, width), None, nothing
        sides = np.where(self.slots >= 0, self.slots // np.int32(self.run.count), np.int32(-1))
        totals = count_slots(sides, found.codes, found.valid, count, SIDES)
        kept = np.flatnonzero(most_frequent(totals, MAX_CELLS // width))
        numbers = np.full(count, len(kept), np.int32)
        numbers[kept] = np.arange(len(kept), dtype=np.int32)
        codes = np.where(found.codes >= 0, take_codes(found.codes, numbers), np.int32(-1))
        cells = count_slots(self.slots, codes, found.valid, len(kept) + 1, width)
        return cells[:-1], kept, cells[-1]

    def _of_spans(self, found: _Numbered) -> _Numbered:
        """Return the values of traces as those of their spans."""
        codes = found.codes if found.valid is None else np.where(found.valid, found.codes, np.int32(-1))
        references = self.scan.reader.references("traces")
        return _Numbered(take_codes(references, codes.astype(np.int32, copy=False)), None, found.values)

    def _of_rows(self, table: TableName) -> Counts:
        """Return the counts of the rows of a table, which serve all attributes of that table."""
        if table not in self._tables:
            rows = self.scan.reader.row_count(table)
            references = self.scan.reader.references(table)
            self._tables[table] = count_slots(self.slots, references, None, rows, self._width)
        return self._tables[table]


def _summed(by_row: Counts, found: _Numbered) -> Counts:
    """Return the counts of rows added for each value that they have."""
    cells = np.zeros((len(found.values), by_row.shape[1]), np.int64)
    valid = found.codes >= 0 if found.valid is None else (found.codes >= 0) & found.valid.view(np.bool_)
    rows = np.flatnonzero(valid)
    np.add.at(cells, found.codes[rows], by_row[rows])
    return cells


def _numbered(part: Part) -> _Numbered:
    """Number the values of one type, which is no list."""
    column = part.column
    if column.dictionary is not None:
        return _Numbered(column.data, column.valid, column.dictionary.cast(pa.string()))
    if column.valid is None:
        distinct, codes = distinct_numbers(column.data)
        return _Numbered(codes, None, pa.array(distinct))
    rows = np.flatnonzero(column.valid.view(np.bool_))
    distinct, of_rows = distinct_numbers(column.data[rows])
    codes = np.full(len(column.data), -1, np.int32)
    codes[rows] = of_rows
    return _Numbered(codes, None, pa.array(distinct))
