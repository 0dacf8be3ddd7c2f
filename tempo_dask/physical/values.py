"""Values over the rows of a table: typed columns side by side, since values under one name may be of mixed types."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from storage.columns import Column
from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.reader import Rows
from traceql.types import StaticType


@dataclass(frozen=True, slots=True)
class Part:
    """The values of one type; null where the row has none of this type."""

    type: StaticType
    column: Column


@dataclass(frozen=True, slots=True)
class Values:
    """The values of some rows: at most one part has a value in a row."""

    rows: int
    parts: tuple[Part, ...]

    def present(self) -> Mask:
        """Return where there is a value."""
        found = np.zeros(self.rows, np.uint8)
        for part in self.parts:
            if part.column.valid is None:
                return np.ones(self.rows, np.uint8)
            found |= part.column.valid
        return found

    def take(self, rows: Rows) -> Values:
        """Return the values at other rows."""
        return Values(len(rows), tuple(Part(part.type, take_rows(part.column, rows)) for part in self.parts))

    def where(self, mask: Mask) -> Values:
        """Return the values of the rows where `mask` is 1; the other rows have none."""
        return Values(self.rows, tuple(Part(part.type, _where(part.column, mask)) for part in self.parts))


def take_rows(column: Column, rows: Rows) -> Column:
    """Return a column at other rows."""
    valid = None if column.valid is None else column.valid[rows]
    if column.offsets is None:
        return Column(column.data[rows], valid, column.dictionary)
    starts = column.offsets[:-1][rows].astype(np.int64)
    counts = column.offsets[1:][rows] - starts
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    elements = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
    return Column(column.data[elements], valid, column.dictionary, offsets.astype(np.int32))


def _where(column: Column, mask: Mask) -> Column:
    return replace(column, valid=mask if column.valid is None else column.valid & mask)
