"""One Parquet file of a block: columns of a row group read by Arrow, a few rows picked out of their pages."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.arrays import single_chunk, values
from storage.block.files import BlockFiles, RangeReader
from storage.block.footer import FOOTER_END_BYTES, Footer
from storage.block.leaf import UnknownEncodingError
from storage.block.page import Bytes, DecompressionError, Places
from storage.block.row_reader import RowReader
from storage.block.schema import parquet_name
from storage.block.shared_rows import SharedRows
from storage.columns import STRING, TableName
from storage.errors import DamagedBlock
from storage.kernels.footer import ROWS
from storage.remembered import Remembered
from storage.take import take_array

Rows = npt.NDArray[np.int64]

#: Rows are picked one by one while they are at most so many, or this part of a row group; of more, Arrow reads all.
_FEW_ROWS = 1_000
_FEW_OF_ALL = 0.2
#: Resources and scopes are wanted with every trace; larger ones are read each time.
_KEPT_BYTES = 1 << 20
#: What is read of a remote file's end at once; footers of most files are shorter.
_TAIL_BYTES = 1 << 16

#: Numbers of opened files.
_NUMBERS = itertools.count()
#: Columns of row groups of which parts were taken, by file, row group and name.
_DECODED: Remembered[tuple[int, int, str], Any] = Remembered(256 << 20, lambda array: array.nbytes)


def forget_decoded() -> None:
    """Give up what was decoded for a merge that is over; another that goes on decodes some of its input again."""
    _DECODED.forget(lambda _key: True)


@contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Turn what is said of a file that cannot be read into DamagedBlock."""
    try:
        yield
    except (pa.ArrowException, DecompressionError, OSError, EOFError, ValueError) as error:
        msg = f"{name} cannot be read: {error}"
        raise DamagedBlock(msg) from error


class TableFile:
    """A table of a block as stored. Columns are found by their whole name, which may hold dots.

    May be used by many threads at once: Arrow's reader keeps no state between reads without read-ahead.
    """

    def __init__(self, files: BlockFiles, table: TableName, size: int, page_rows: int) -> None:
        """Read the footer. Raises DamagedBlock."""
        self._files = files
        self._number = next(_NUMBERS)
        self._name = parquet_name(table)
        self._size = size
        self._opening = threading.Lock()
        self._opened: pq.ParquetFile | None = None
        self._kept: SharedRows | None = None
        self._page_rows = page_rows
        self._heads: dict[tuple[str, int], npt.NDArray[np.uint32]] = {}  # the first number of each page
        with damage_told(self._name):
            self._mapped = self._map()
            self._whole = None if self._mapped is None else np.frombuffer(self._mapped, np.uint8)
            self._tail = self._read_tail()
            self._footer = Footer(self._tail[:-FOOTER_END_BYTES], table)
        self._rows = RowReader(self._footer, self._fetch, size, page_rows)
        self.schema = self._footer.schema

    def _map(self) -> pa.Buffer | None:
        """Return a local file mapped into memory. Raises DamagedBlock if its size is wrong."""
        found = self._files.size(self._name)
        if found != self._size:
            msg = f"{self._name} has {found} bytes, expected {self._size}"
            raise DamagedBlock(msg)
        path = self._files.local_path(self._name)
        return None if path is None else pa.memory_map(str(path)).read_buffer()

    def _read_tail(self) -> Bytes:
        """Return the footer with what follows it. Raises ValueError where there is none."""
        tail = self._range(max(0, self._size - _TAIL_BYTES), self._size)
        length = int.from_bytes(tail[-FOOTER_END_BYTES:-4].tobytes(), "little") + FOOTER_END_BYTES
        if tail[-4:].tobytes() != b"PAR1" or length > self._size:
            msg = "it does not end as a Parquet file does"
            raise ValueError(msg)
        return tail[-length:] if length <= len(tail) else self._range(self._size - length, self._size)

    def _range(self, start: int, stop: int) -> Bytes:
        data, places = self._fetch(np.array([[start, stop]]))
        return data[places[0, 0] : places[0, 1]]

    def _fetch(self, places: Places) -> tuple[Bytes, Places]:
        """Return bytes that hold ranges of the file, which must lie in it, and where they are in them."""
        if self._whole is not None:
            return self._whole, places
        read = self._files.read_ranges(self._name, [(start, stop) for start, stop in places.tolist() if start < stop])
        lengths = places[:, 1] - places[:, 0]
        stops = np.cumsum(lengths)
        return np.frombuffer(b"".join(read), np.uint8), np.stack([stops - lengths, stops], axis=1)

    @property
    def _arrow(self) -> pq.ParquetFile:
        """Return Arrow's reader of the file, opened once."""
        with self._opening:
            if self._opened is None:
                with damage_told(self._name):
                    self._opened = pq.ParquetFile(
                        self._source(),
                        metadata=pq.read_metadata(pa.BufferReader(self._tail)),
                        pre_buffer=False,
                        read_dictionary=[field.name for field in self.schema if field.type == STRING],
                        page_checksum_verification=True,
                    )
            return self._opened

    def _source(self) -> pa.NativeFile:
        if self._mapped is not None:
            return pa.BufferReader(self._mapped)
        return pa.PythonFile(RangeReader(self._files, self._name, self._size))

    def __contains__(self, column: str) -> bool:
        return column in self._footer.leaves

    def read_column(self, column: str, row_groups: range) -> pa.ChunkedArray:
        """Return one column of some row groups. Raises DamagedBlock, KeyError where there is no such column."""
        return self._read(row_groups, [column]).column(0)

    def read_row_group(self, row_group: int) -> pa.Table:
        """Return all columns of one row group. Raises DamagedBlock."""
        return self._read(range(row_group, row_group + 1), self.schema.names)

    def read_shared(self) -> SharedRows:
        """Return all rows of a file of one row group, which are kept while they are few. Raises DamagedBlock."""
        if self._kept is not None:
            return self._kept
        rows = SharedRows.of(self.read_row_group(0))
        if rows.table.nbytes <= _KEPT_BYTES:
            self._kept = rows
        return rows

    def _read(self, row_groups: range, columns: Sequence[str]) -> pa.Table:
        numbers = [leaf.number for column in columns for leaf in self._footer.leaves[column]]
        reader = self._arrow.reader
        with damage_told(self._name):
            return reader.read_row_groups(list(row_groups), column_indices=numbers, use_threads=False)

    def read_rows(self, row_group: int, rows: Rows, columns: Collection[str] | None = None) -> pa.Table:
        """Return rows (strictly ascending) of a row group: the given columns, or all, in the file's order.

        Dictionaries hold what the rows use, in order of first use. Raises DamagedBlock.
        """
        fields = [f for name, f in self._footer.fields.items() if columns is None or name in columns]
        schema = pa.schema(fields)
        if not len(rows):
            return schema.empty_table()
        if len(rows) <= max(_FEW_ROWS, _FEW_OF_ALL * self.count(row_group)):
            try:
                with damage_told(self._name):
                    picked = self._rows.read(row_group, rows, [field.name for field in fields])
                return pa.Table.from_arrays(picked, schema=schema)
            except UnknownEncodingError:
                pass  # as a later version of the format may have
        arrays = self._decoded(row_group, schema.names, is_wanted_again=rows[-1] + 1 < self.count(row_group))
        if any(rows[-1] >= len(array) for array in arrays):
            msg = f"{self._name} has too few rows in row group {row_group}, expected more than {rows[-1]}"
            raise DamagedBlock(msg)
        at = rows.astype(np.int32)
        return pa.Table.from_arrays([take_array(array, at) for array in arrays], schema=schema)

    def _decoded(self, row_group: int, columns: Sequence[str], *, is_wanted_again: bool) -> Sequence[pa.Array]:
        """Return whole columns of a row group; merging takes it part by part, and its end is wanted last."""
        keys = {column: (self._number, row_group, column) for column in columns}
        found = {column: _DECODED.get(key) for column, key in keys.items()}
        missing = [column for column in columns if found[column] is None]
        read = self._read(range(row_group, row_group + 1), missing).columns if missing else []
        for column, chunks in zip(missing, read, strict=True):
            found[column] = single_chunk(chunks)
            if is_wanted_again:
                _DECODED.put(keys[column], found[column])
        if not is_wanted_again:
            _DECODED.forget(lambda key: key[:2] == (self._number, row_group))
        return [found[column] for column in columns]

    def find(self, column: str, row_group: int, numbers: Rows) -> Rows:
        """Return the first rows of a row group in which an ascending column of numbers is no less than each given.

        `numbers` ascend too and are some. Raises DamagedBlock.
        """
        heads = self._heads.get((column, row_group))
        if heads is None:
            whole = values(single_chunk(self.read_column(column, range(row_group, row_group + 1))), np.uint32)
            heads = self._heads[column, row_group] = whole[:: self._page_rows].copy()
        low = max(int(np.searchsorted(heads, numbers[0])) - 1, 0) * self._page_rows
        high = min(int(np.searchsorted(heads, numbers[-1])) * self._page_rows, self.count(row_group))
        part = self.read_rows(row_group, np.arange(low, high), {column})
        return low + np.searchsorted(values(single_chunk(part.column(0)), np.uint32), numbers)

    def count(self, row_group: int) -> int:
        """Return the rows of a row group. Raises DamagedBlock where there is no such row group."""
        if row_group >= len(self._footer.chunks):
            msg = f"{self._name} has {len(self._footer.chunks)} row groups, expected more than {row_group}"
            raise DamagedBlock(msg)
        return int(self._footer.chunks[row_group, 0, ROWS])
