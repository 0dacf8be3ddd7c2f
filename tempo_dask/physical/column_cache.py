"""Decoded columns of blocks, kept by each process that scans: by the server, and by every worker of a cluster."""

from __future__ import annotations

from collections.abc import Mapping

from storage.cache import ColumnCache
from storage.chunk import Chunk
from storage.columns import Column, ScanSource, TableName, TypeName
from tempo_dask.physical.cube_cache import PROCESS_CUBES

#: What a process keeps unless it is told otherwise.
DEFAULT_BYTES = 1 << 30


class ProcessCache:
    """The cache of this process; `resize` forgets all that it holds."""

    def __init__(self, budget_bytes: int) -> None:
        self.columns = ColumnCache(budget_bytes)

    def resize(self, budget_bytes: int) -> None:
        """Start again with another budget."""
        self.columns = ColumnCache(budget_bytes)

    def read(self, source: ScanSource, table: TableName, name: str, unit: int) -> Column | None:
        """Return a column of a source, decoded at most once while it is kept.

        What is in memory anyway is not kept: a column would hold on to its chunk after the flush.
        """
        if isinstance(source, Chunk):
            return source.read(table, name, unit)
        return self.columns.get_or_read(source, table, name, unit)

    def read_rest(self, source: ScanSource, table: TableName, key: str, unit: int) -> Mapping[TypeName, Column]:
        """Return the values of a key that `rest` holds, decoded at most once while they are kept."""
        if isinstance(source, Chunk):
            return source.read_rest(table, key, unit)
        return self.columns.get_or_read_rest(source, table, key, unit)


PROCESS_CACHE = ProcessCache(DEFAULT_BYTES)


def forget_block(block_id: str) -> None:
    """Give up what this process keeps of a block that left the list."""
    PROCESS_CACHE.columns.forget(block_id)
    PROCESS_CUBES.forget(block_id)
