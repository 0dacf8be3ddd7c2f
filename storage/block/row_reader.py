"""A few rows of a table's file, decoded from the pages that hold them and nothing else.

Arrow reads whole columns well; for the few rows of a trace, its readers and what lies around the rows cost a hundred
times what the rows do. So pages are found by the file's page index, fetched together, and their values picked by
kernels. What kernels do not know how to read is told by UnknownEncodingError, for the caller to let Arrow read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.block.footer import Footer, Leaf
from storage.block.leaf import Entries, Picked, UnknownEncodingError, decode, join_entries, pick_entries
from storage.block.page import DATA_PAGE, DICTIONARY_PAGE, Page, read_page
from storage.kernels.footer import (
    CODEC,
    DICTIONARY,
    FIRST_ROW,
    INDEX,
    INDEX_LENGTH,
    PAGE_LENGTH,
    PAGE_OFFSET,
    ROWS,
    UNCOMPRESSED,
    read_page_index,
)

Rows = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
#: Returns byte ranges of the file, which must lie in it.
Fetch = Callable[[Sequence[tuple[int, int]]], Sequence[Bytes]]


class RowReader:
    """Reads rows of one file. May be used by many threads at once.

    Methods raise ValueError or DecompressionError where the file is damaged, and UnknownEncodingError.
    """

    def __init__(self, footer: Footer, fetch: Fetch, size: int, page_rows: int) -> None:
        """Read rows of a file of `size` bytes whose pages have `page_rows` rows."""
        self._footer = footer
        self._fetch = fetch
        self._size = size
        self._page_rows = page_rows
        self._indexes: dict[int, _PageIndex] = {}

    def read(self, row_group: int, rows: Rows, names: Iterable[str]) -> dict[str, pa.Array]:
        """Return columns in the given rows, which ascend from the row group's first."""
        leaves_of = {name: self._footer.leaves[name] for name in names}
        leaves = [leaf for of_name in leaves_of.values() for leaf in of_name]
        chunks = self._footer.chunks[row_group]
        if rows[0] < 0 or rows[-1] >= chunks[0, ROWS]:
            msg = f"rows {rows[0]} to {rows[-1]} are not in a row group of {chunks[0, ROWS]}"
            raise IndexError(msg)
        numbers = rows // self._page_rows
        pages = np.unique(numbers).tolist()
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        within = [rows[a:b] - page * self._page_rows for page, (a, b) in zip(pages, pairwise(cuts), strict=True)]
        raw = self._raw(row_group, leaves, pages)
        read = {leaf.number: _LeafRows(leaf, raw[leaf.number], chunks[leaf.number], within) for leaf in leaves}
        return {
            name: assemble(self._footer.schema.field(name).type, [read[leaf.number] for leaf in of_name])
            for name, of_name in leaves_of.items()
        }

    def _raw(self, row_group: int, leaves: Sequence[Leaf], pages: Sequence[int]) -> dict[int, list[Bytes]]:
        """Fetch pages of columns: of each column its dictionary (perhaps empty), then the pages."""
        index = self._index(row_group)
        ranges = [span for leaf in leaves for span in index.ranges(leaf.number, pages)]
        if any(not 0 <= start <= stop <= self._size for start, stop in ranges):
            msg = "a page lies outside the file"
            raise ValueError(msg)
        fetched = self._fetch(ranges)
        step = 1 + len(pages)
        return {leaf.number: list(fetched[i * step : (i + 1) * step]) for i, leaf in enumerate(leaves)}

    def _index(self, row_group: int) -> _PageIndex:
        index = self._indexes.get(row_group)
        if index is None:
            chunks = self._footer.chunks[row_group]
            start, stop = int(chunks[:, INDEX].min()), int((chunks[:, INDEX] + chunks[:, INDEX_LENGTH]).max())
            if start < 0 or stop > self._size or not start <= stop:
                raise UnknownEncodingError
            data = self._fetch([(start, stop)])[0]
            index = self._indexes[row_group] = _PageIndex(chunks, data, start, self._page_rows)
        return index


class _PageIndex:
    """Where the pages of a row group's columns lie."""

    def __init__(self, chunks: npt.NDArray[np.int64], data: Bytes, start: int, page_rows: int) -> None:
        self._chunks = chunks
        self._data = data
        self._start = start
        self._page_rows = page_rows
        self._pages: dict[int, list[tuple[int, int]]] = {}

    def ranges(self, column: int, pages: Sequence[int]) -> list[tuple[int, int]]:
        """Return where the dictionary of a column (perhaps of no length) and some of its pages lie."""
        known = self._pages.get(column)
        if known is None:
            known = self._pages[column] = self._read(column)
        return [known[0], *(known[1 + page] for page in pages)]

    def _read(self, column: int) -> list[tuple[int, int]]:
        chunk = self._chunks[column]
        start = int(chunk[INDEX]) - self._start
        found = read_page_index(self._data[start : start + int(chunk[INDEX_LENGTH])])
        if len(found) != -(-int(chunk[ROWS]) // self._page_rows):
            raise UnknownEncodingError
        if (found[:, FIRST_ROW] != np.arange(len(found)) * self._page_rows).any():
            raise UnknownEncodingError
        first = int(found[0, PAGE_OFFSET])
        dictionary = (int(chunk[DICTIONARY]), first) if 0 <= chunk[DICTIONARY] < first else (first, first)
        return [dictionary, *((at, at + length) for at, length in found[:, [PAGE_OFFSET, PAGE_LENGTH]].tolist())]


class _LeafRows:
    """A Parquet column in the wanted rows, found in its pages but not yet decoded."""

    def __init__(self, leaf: Leaf, raw: Sequence[Bytes], chunk: npt.NDArray[np.int64], rows: Sequence[Rows]) -> None:
        self.leaf = leaf
        self._codec, self._limit = int(chunk[CODEC]), int(chunk[UNCOMPRESSED])
        self._dictionary = raw[0]
        pages = (read_page(data, DATA_PAGE, self._codec, self._limit) for data in raw[1:])
        self._picked: Sequence[Picked] = [pick_entries(page, leaf, at) for page, at in zip(pages, rows, strict=True)]

    def entries(self) -> Entries:
        """Return how many entries each row has, of a list column, and their levels."""
        return join_entries(self._picked)

    def array(self) -> pa.Array:
        """Return a value or null for every entry."""
        return decode(self._picked, self._read_dictionary(), self.leaf.type)

    def _read_dictionary(self) -> Page | None:
        if not len(self._dictionary) or not any((each.places >= 0).any() for each in self._picked):
            return None
        return read_page(self._dictionary, DICTIONARY_PAGE, self._codec, self._limit)


def assemble(type_: pa.DataType, leaves: Sequence[_LeafRows]) -> pa.Array:
    """Return a column made of its Parquet columns."""
    if not pa.types.is_list(type_):
        return leaves[0].array()
    entries = leaves[0].entries()
    _, entry, element = leaves[0].leaf.levels[:3]
    is_entry = entries.levels >= entry
    ends = np.concatenate([[0], np.cumsum(is_entry)])[np.concatenate([[0], np.cumsum(entries.counts)])]
    kept = pa.array(np.flatnonzero(is_entry))
    if pa.types.is_struct(type_.value_type):
        children = [leaf.array().take(kept) for leaf in leaves]
        nulls = pa.array(entries.levels[is_entry] < element)
        elements = pa.StructArray.from_arrays(children, fields=list(type_.value_type), mask=nulls)
    else:
        elements = leaves[0].array().take(kept)
    firsts = np.cumsum(entries.counts) - entries.counts
    valid = entries.levels[firsts] >= leaves[0].leaf.levels[0]
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [None if valid.all() else bitmap, pa.py_buffer(ends.astype(np.int32))]
    return pa.Array.from_buffers(type_, len(valid), buffers, int((~valid).sum()), 0, [elements])
