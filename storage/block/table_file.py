"""One Parquet file of a block, read a column, a row group, or a few pages at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.block.files import BlockFiles, RangeReader
from storage.block.page_slice import FOOTER_END_BYTES, RowGroupPages, schema_fields, slice_pages
from storage.block.schema import leaves, parquet_name
from storage.columns import TableName
from storage.errors import DamagedBlock

Rows = npt.NDArray[np.int64]

#: Pages are worth picking while they are at most this part of a row group.
_FEW_PAGES = 0.5


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

    def __init__(self, files: BlockFiles, table: TableName, size: int, page_rows: int) -> None:
        """Read the footer. Raises DamagedBlock."""
        self._files = files
        self._name = parquet_name(table)
        self._size = size
        self._page_rows = page_rows
        with damage_told(self._name):
            self._mapped = self._map()
            source = self._source()
            footer = pq.read_metadata(source)
            schema = pq.ParquetFile(source, metadata=footer).schema_arrow
            self._strings = [field.name for field in schema if field.type == pa.string()]
            self._file = self._open(source, footer)
            self._schema_fields = schema_fields(self._range(size - FOOTER_END_BYTES - footer.serialized_size, size))
        self.schema = self._file.schema_arrow
        self._leaves: dict[str, Sequence[int]] = {}
        first = 0
        for field in self.schema:
            count = sum(1 for _ in leaves(field))
            self._leaves[field.name] = range(first, first + count)
            first += count
        self._layouts: dict[int, RowGroupPages] = {}

    def _map(self) -> pa.Buffer | None:
        """Return a local file mapped into memory. Raises DamagedBlock if its size is wrong."""
        found = self._files.size(self._name)
        if found != self._size:
            msg = f"{self._name} has {found} bytes, expected {self._size}"
            raise DamagedBlock(msg)
        path = self._files.local_path(self._name)
        return None if path is None else pa.memory_map(str(path)).read_buffer()

    def _source(self) -> pa.NativeFile:
        if self._mapped is not None:
            return pa.BufferReader(self._mapped)
        return pa.PythonFile(RangeReader(self._files, self._name, self._size))

    def _open(self, source: pa.NativeFile, footer: pq.FileMetaData | None = None) -> pq.ParquetFile:
        return pq.ParquetFile(
            source,
            metadata=footer,
            pre_buffer=False,
            read_dictionary=self._strings,
            page_checksum_verification=True,
        )

    def _range(self, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """Return bytes of the file."""
        if self._mapped is not None:
            return np.frombuffer(self._mapped, np.uint8, stop - start, start)
        return np.frombuffer(self._files.read_range(self._name, start, stop), np.uint8)

    def __contains__(self, column: str) -> bool:
        return column in self._leaves

    def read_column(self, column: str, row_group: int) -> pa.ChunkedArray:
        """Return one column of one row group. Raises DamagedBlock, KeyError where there is no such column."""
        return self._read(self._file, row_group, self._leaves[column]).column(0)

    def read_row_group(self, row_group: int) -> pa.Table:
        """Return all columns of one row group. Raises DamagedBlock."""
        return self._read(self._file, row_group)

    def _read(self, file: pq.ParquetFile, row_group: int, columns: Sequence[int] | None = None) -> pa.Table:
        with damage_told(self._name):
            return file.reader.read_row_group(row_group, column_indices=columns, use_threads=False)

    def read_around(self, row_group: int, rows: Rows) -> tuple[pa.Table, Rows]:
        """Return all columns of some part of a row group that holds `rows` (ascending), and where they are in it."""
        if not len(rows):
            return self.schema.empty_table(), rows
        pages, page_of_row = np.unique(rows // self._page_rows, return_inverse=True)
        table = self._read_pages(row_group, pages)
        if table is None:
            return self.read_row_group(row_group), rows
        return table, page_of_row * self._page_rows + rows % self._page_rows

    def _read_pages(self, row_group: int, pages: Rows) -> pa.Table | None:
        """Return the rows of some pages, or None where the whole row group must be read."""
        layout = self._layouts.get(row_group)
        if layout is None:
            layout = self._layouts[row_group] = RowGroupPages(self._file.metadata, row_group)
        if self._schema_fields is None or len(pages) > _FEW_PAGES * layout.rows / self._page_rows:
            return None
        data = self._range(layout.start, layout.stop)
        sliced = slice_pages(data, layout, self._schema_fields, pages, self._page_rows)
        return None if sliced is None else self._read(self._open(pa.BufferReader(sliced)), 0)
