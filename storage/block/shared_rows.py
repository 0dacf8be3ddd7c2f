"""Resources or scopes of a block, of which a trace uses a few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import TableName
from storage.pick import FIELDS, by_first_use


@dataclass(frozen=True, slots=True)
class SharedRows:
    """All rows of a table, and which of its columns (columns, rows) have a value in which row."""

    table: pa.Table
    present: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, table: pa.Table) -> SharedRows:
        """Look where a table has values."""
        present = [column.is_valid().to_numpy() for column in table.columns]
        return cls(table, np.array(present, np.bool_).reshape(len(present), table.num_rows))

    def used(self, numbers: npt.NDArray[np.int64], name: TableName) -> tuple[pa.Table, npt.NDArray[np.uint32]]:
        """Return the rows that spans use, by first use, without attributes that none has; and the spans' numbers."""
        found = np.any(self.present[:, np.unique(numbers)], axis=1) | (np.arange(len(self.present)) < len(FIELDS[name]))
        return by_first_use(numbers, self.table.select(np.flatnonzero(found).tolist()), name)
