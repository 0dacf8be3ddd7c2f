"""One Parquet file of a block, read a column, a row group, or a few pages at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.block.files import BlockFiles, RangeReader
from storage.block.page_slice import FOOTER_END_BYTES, FileSchema, RowGroupPages, slice_pages
from storage.block.schema import leaves, parquet_name
from storage.columns import TableName
from storage.errors import DamagedBlock

Rows = npt.NDArray[np.int64]

#: Pages are worth picking while they are at most this part of a row group.
_FEW_PAGES = 0.5
#: Resources and scopes are wanted with every trace; larger ones are read each time.
_KEPT_BYTES = 1 << 20


@contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Turn what Arrow says of a file that it cannot read into DamagedBlock."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
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
            self._file = self._open(source, self._strings, footer)
            footer_bytes = self._range(size - FOOTER_END_BYTES - footer.serialized_size, size)
        self.schema = self._file.schema_arrow
        self._names = self.schema.names  # the schema makes this list anew each time
        self._leaves: dict[str, Sequence[int]] = {}
        first = 0
        for field in self.schema:
            count = sum(1 for _ in leaves(field))
            self._leaves[field.name] = range(first, first + count)
            first += count
        self._layouts: dict[int, RowGroupPages] = {}
        self._kept: pa.Table | None = None
        with damage_told(self._name):
            self._stored_schema = FileSchema(footer_bytes, self.schema)

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

    @staticmethod
    def _open(source: pa.NativeFile, strings: list[str], footer: pq.FileMetaData | None = None) -> pq.ParquetFile:
        return pq.ParquetFile(
            source,
            metadata=footer,
            pre_buffer=False,
            read_dictionary=strings,
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

    def read_whole(self) -> pa.Table:
        """Return all rows of a file of one row group, which are kept while they are few. Raises DamagedBlock."""
        if self._kept is not None:
            return self._kept
        table = self.read_row_group(0)
        if table.nbytes <= _KEPT_BYTES:
            self._kept = table
        return table

    def _read(self, file: pq.ParquetFile, row_group: int, columns: Sequence[int] | None = None) -> pa.Table:
        with damage_told(self._name):
            return file.reader.read_row_group(row_group, column_indices=columns, use_threads=False)

    def read_around(self, row_group: int, rows: Rows, columns: Collection[str] | None = None) -> tuple[pa.Table, Rows]:
        """Return some part of a row group that holds `rows` (ascending), and where they are in it.

        It has the given columns, or all, in the file's order.
        """
        chosen = [at for at, name in enumerate(self._names) if columns is None or name in columns]
        if not len(rows):
            return pa.schema([self.schema.field(at) for at in chosen]).empty_table(), rows
        pages, page_of_row = np.unique(rows // self._page_rows, return_inverse=True)
        table = self._read_pages(row_group, pages, chosen)
        if table is None:
            return self._read(self._file, row_group, self._leaves_of(chosen)), rows
        return table, page_of_row * self._page_rows + rows % self._page_rows

    def _leaves_of(self, fields: Sequence[int]) -> Sequence[int]:
        return [leaf for field in fields for leaf in self._leaves[self._names[field]]]

    def _read_pages(self, row_group: int, pages: Rows, fields: Sequence[int]) -> pa.Table | None:
        """Return the rows of some pages, or None where the whole row group must be read."""
        layout = self._layouts.get(row_group)
        if layout is None:
            layout = self._layouts[row_group] = RowGroupPages(self._file.metadata, row_group)
        if len(pages) > _FEW_PAGES * layout.rows / self._page_rows:
            return None
        data = self._range(layout.start, layout.stop)
        schema = self._stored_schema.encode(fields)
        sliced = slice_pages(data, layout, schema, self._leaves_of(fields), pages, self._page_rows)
        if sliced is None:
            return None
        names = {self._names[field] for field in fields}
        return self._read(self._open(pa.BufferReader(sliced), [n for n in self._strings if n in names]), 0)
