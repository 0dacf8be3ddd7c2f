"""One Parquet file of a block, read a column or a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from storage.block.files import BlockFiles, RangeReader
from storage.block.schema import leaves, parquet_name
from storage.columns import TableName
from storage.errors import DamagedBlock


def open_source(files: BlockFiles, name: str, size: int) -> pa.NativeFile:
    """Return a file of a block, mapped into memory where it is local. Raises DamagedBlock if its size is wrong."""
    found = files.size(name)
    if found != size:
        msg = f"{name} has {found} bytes, expected {size}"
        raise DamagedBlock(msg)
    path = files.local_path(name)
    return pa.PythonFile(RangeReader(files, name, size), mode="r") if path is None else pa.memory_map(str(path))


@contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Turn what Arrow says of a file that it cannot read into DamagedBlock."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        msg = f"{name} cannot be read: {error}"
        raise DamagedBlock(msg) from error


class TableFile:
    """A table of a block as stored. Columns are found by their whole name, which may hold dots.

    May be used by many threads at once: Arrow's reader keeps no state between reads without read-ahead.
    """

    def __init__(self, files: BlockFiles, table: TableName, size: int) -> None:
        """Read the footer. Raises DamagedBlock."""
        self._name = parquet_name(table)
        source = open_source(files, self._name, size)
        with damage_told(self._name):
            footer = pq.read_metadata(source)
            schema = pq.ParquetFile(source, metadata=footer).schema_arrow
            self._file = pq.ParquetFile(
                source,
                metadata=footer,
                pre_buffer=False,
                read_dictionary=[field.name for field in schema if field.type == pa.string()],
                page_checksum_verification=True,
            )
            self.schema = self._file.schema_arrow
        self._leaves: dict[str, Sequence[int]] = {}
        first = 0
        for field in self.schema:
            count = sum(1 for _ in leaves(field))
            self._leaves[field.name] = range(first, first + count)
            first += count

    def __contains__(self, column: str) -> bool:
        return column in self._leaves

    def read_column(self, column: str, row_group: int) -> pa.ChunkedArray:
        """Return one column of one row group. Raises DamagedBlock, KeyError where there is no such column."""
        return self._read(row_group, self._leaves[column]).column(0)

    def read_row_group(self, row_group: int) -> pa.Table:
        """Return all columns of one row group. Raises DamagedBlock."""
        return self._read(row_group, None)

    def _read(self, row_group: int, columns: Sequence[int] | None) -> pa.Table:
        with damage_told(self._name):
            return self._file.reader.read_row_group(row_group, column_indices=columns, use_threads=False)
