"""Decoded columns kept in memory: the largest single gain of a repeated scan."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeAlias

from storage.columns import Column, ScanSource, TableName

#: Source id, table, column, unit.
Key: TypeAlias = tuple[str, TableName, str, int]


class ColumnCache:
    """Columns of sources, least recently used ones given up beyond a budget of bytes. For many threads.

    A column that several threads want at once is read by one of them; the others wait for it.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._columns: OrderedDict[Key, tuple[Column, int]] = OrderedDict()
        self._reading: dict[Key, Future[Column | None]] = {}
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @property
    def used_bytes(self) -> int:
        """Bytes of the columns that are kept."""
        return self._used_bytes

    def get_or_read(self, source: ScanSource, table: TableName, name: str, unit: int) -> Column | None:
        """Return what `source.read` returns, and raise what it raises."""
        key = (source.meta.id, table, name, 0 if table in {"resources", "scopes"} else unit)
        with self._lock:
            kept = self._columns.get(key)
            if kept is not None:
                self._columns.move_to_end(key)
                self.hits += 1
                return kept[0]
            waiting = self._reading.get(key)
            if waiting is None:
                mine: Future[Column | None] = Future()
                self._reading[key] = mine
                self.misses += 1
        if waiting is not None:
            return waiting.result()
        return self._read(key, mine, lambda: source.read(table, name, unit))

    def _read(self, key: Key, promise: Future[Column | None], read: Callable[[], Column | None]) -> Column | None:
        """Read a column, keep it, and tell whoever waits for it."""
        try:
            column = read()
        except BaseException as error:
            with self._lock:
                del self._reading[key]
            promise.set_exception(error)
            raise
        with self._lock:
            del self._reading[key]
            if column is not None:
                self._keep(key, column)
        promise.set_result(column)
        return column

    def _keep(self, key: Key, column: Column) -> None:
        """Add a column and give up old ones; the lock is held."""
        size = column.nbytes
        if size > self._budget_bytes:
            return
        self._columns[key] = (column, size)
        self._used_bytes += size
        while self._used_bytes > self._budget_bytes:
            _, (_, freed) = self._columns.popitem(last=False)
            self._used_bytes -= freed

    def forget(self, source_id: str) -> None:
        """Give up the columns of a source that nobody will ask for again."""
        with self._lock:
            for key in [key for key in self._columns if key[0] == source_id]:
                self._used_bytes -= self._columns.pop(key)[1]
