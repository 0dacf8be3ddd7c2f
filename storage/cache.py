"""Decoded columns kept in memory: the largest single gain of a repeated scan."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypeAlias, cast

from storage.columns import Column, ScanSource, TableName, TypeName
from storage.remembered import RememberedThroughScans

#: Tenant and id of the source, table, column (or key that `rest` holds), unit, whether it is such a key.
Key: TypeAlias = tuple[str, str, TableName, str, int, bool]
#: The values of a key that `rest` holds.
OfRest: TypeAlias = Mapping[TypeName, Column]
Kept: TypeAlias = Column | OfRest | None


def _size(kept: Kept) -> int:
    """Return the bytes of columns; that a source has no such column is also worth knowing."""
    if kept is None:
        return 64
    return kept.nbytes if isinstance(kept, Column) else 64 + sum(column.nbytes for column in kept.values())


class ColumnCache:
    """Columns of sources within a budget of bytes, of which scans of more than that find a part. For many threads.

    A column that several threads want at once is read by one of them; the others wait for it.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._columns: RememberedThroughScans[Key, Kept] = RememberedThroughScans(budget_bytes, _size)

    @property
    def used_bytes(self) -> int:
        """Bytes of the columns that are kept."""
        return self._columns.used

    @property
    def hits(self) -> int:
        """How often a column was there."""
        return self._columns.hits

    @property
    def misses(self) -> int:
        """How often a column had to be read."""
        return self._columns.misses

    def get_or_read(self, source: ScanSource, table: TableName, name: str, unit: int) -> Column | None:
        """Return what `source.read` returns, and raise what it raises."""
        key = (source.meta.tenant, source.meta.id, table, name, 0 if table in {"resources", "scopes"} else unit, False)
        return cast("Column | None", self._columns.get_or_make(key, partial(source.read, table, name, unit)))

    def get_or_read_rest(self, source: ScanSource, table: TableName, name: str, unit: int) -> OfRest:
        """Return what `source.read_rest` returns, and raise what it raises."""
        key = (source.meta.tenant, source.meta.id, table, name, 0 if table in {"resources", "scopes"} else unit, True)
        return cast("OfRest", self._columns.get_or_make(key, partial(source.read_rest, table, name, unit)))

    def forget(self, source_id: str) -> None:
        """Give up the columns of a source that nobody will ask for again."""
        self._columns.forget(lambda key: key[1] == source_id)
