"""A few rows of a table's file, decoded from the pages that hold them and nothing else.

Arrow reads whole columns well; for the few rows of a trace, its readers and what lies around the rows cost a hundred
times what the rows do. So pages are found by the file's page index, fetched together, and their values picked by
kernels. What kernels do not know how to read is told by UnknownEncodingError, for the caller to let Arrow read it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.block.footer import Footer, Leaf
from storage.block.leaf import Entries, Picked, UnknownEncodingError, decode, find_lists, pick_entries, pick_rows
from storage.block.page import Bytes, Page, Places, StoredPages
from storage.kernels.footer import CODEC, INDEX, INDEX_LENGTH, ROWS, UNCOMPRESSED, read_page_places
from storage.kernels.pages import DATA_PAGE, DICTIONARY_PAGE
from storage.remembered import Remembered

Rows = npt.NDArray[np.int64]
#: Returns bytes that hold ranges (n, 2) of the file, and where they are in them. The ranges must lie in the file.
Fetch = Callable[[Places], tuple[Bytes, Places]]


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
        self._places: dict[int, npt.NDArray[np.int64]] = {}
        self._number = next(_NUMBERS)

    def read(self, row_group: int, rows: Rows, names: Sequence[str]) -> list[pa.Array]:
        """Return columns in the given rows, which ascend from the row group's first and are some."""
        chunks = self._footer.chunks[row_group]
        if rows[0] < 0 or rows[-1] >= chunks[0, ROWS]:
            msg = f"rows {rows[0]} to {rows[-1]} are not in a row group of {chunks[0, ROWS]}"
            raise ValueError(msg)
        leaves = [leaf for name in names for leaf in self._footer.leaves[name]]
        numbers = rows // self._page_rows
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        pages = numbers[cuts[:-1]]
        within = [rows[a:b] - page * self._page_rows for page, (a, b) in zip(pages, pairwise(cuts), strict=True)]
        stored = self._stored(row_group, leaves, pages)
        step = 1 + len(pages)
        chunks_of = chunks[[leaf.number for leaf in leaves]][:, [CODEC, UNCOMPRESSED]].tolist()
        read = iter(
            [
                _Chunk(stored, i * step, codec, limit, within, (self._number, row_group, leaf.number))
                for i, (leaf, (codec, limit)) in enumerate(zip(leaves, chunks_of, strict=True))
            ]
        )
        return [_column(self._footer, name, [next(read) for _ in self._footer.leaves[name]]) for name in names]

    def _stored(self, row_group: int, leaves: Sequence[Leaf], pages: Rows) -> StoredPages:
        """Fetch pages of columns: of each column its dictionary (perhaps of no length), then the pages."""
        numbers = np.array([leaf.number for leaf in leaves])
        places = self._page_places(row_group)[np.ix_(numbers, np.concatenate([[0], 1 + pages]))].reshape(-1, 2)
        self._check(places)
        return StoredPages(*self._fetch(places))

    def _page_places(self, row_group: int) -> npt.NDArray[np.int64]:
        """Return where the pages of all columns of a row group lie, dictionaries first."""
        places = self._places.get(row_group)
        if places is None:
            chunks = self._footer.chunks[row_group]
            start, stop = int(chunks[:, INDEX].min()), int((chunks[:, INDEX] + chunks[:, INDEX_LENGTH]).max())
            if not 0 <= start < stop:
                raise UnknownEncodingError
            region = np.array([[start, stop]])
            self._check(region)
            data, found = self._fetch(region)
            at = int(found[0, 0])
            index = np.ascontiguousarray(data[at : at + stop - start])
            places = read_page_places(index, start, np.ascontiguousarray(chunks), self._page_rows)
            if not len(places):
                raise UnknownEncodingError
            self._places[row_group] = places
        return places

    def _check(self, places: Places) -> None:
        starts, stops = places[:, 0], places[:, 1]
        if (starts < 0).any() or (starts > stops).any() or (stops > self._size).any():
            msg = "a page lies outside the file"
            raise ValueError(msg)


class _Chunk:
    """The pages of a Parquet column that hold the wanted rows."""

    def __init__(
        self, stored: StoredPages, at: int, codec: int, limit: int, rows: Sequence[Rows], key: tuple[int, int, int]
    ) -> None:
        """Take the pages behind the dictionary, which is the `at`-th page; `rows` are those wanted of each.

        `key` tells the column's dictionary from all others.
        """
        self._stored = stored
        self._at = at
        self._codec = codec
        self._limit = limit
        self._key = key
        self.rows = rows

    def pages(self) -> list[Page]:
        """Return the pages."""
        numbers = range(self._at + 1, self._at + 1 + len(self.rows))
        return [self._stored.read(number, DATA_PAGE, self._codec, self._limit) for number in numbers]

    def dictionary(self) -> Page:
        """Return the dictionary. Raises ValueError where there is none."""
        if self._at not in self._stored:
            msg = "a column's dictionary is missing"
            raise ValueError(msg)
        return _DICTIONARIES.get_or_make(self._key, self._read_dictionary)

    def _read_dictionary(self) -> Page:
        return self._stored.read(self._at, DICTIONARY_PAGE, self._codec, self._limit)


#: Numbers of readers.
_NUMBERS = itertools.count()

#: Dictionaries that were read last, by number of the reader, row group and column: each trace would read them again.
_DICTIONARIES: Remembered[tuple[int, int, int], Page] = Remembered(64 << 20, lambda page: page.data.nbytes + 256)


def _column(footer: Footer, name: str, chunks: Sequence[_Chunk]) -> pa.Array:
    leaves = footer.leaves[name]
    if leaves[0].is_list:
        return _lists(footer.fields[name].type, leaves, chunks)
    chunk = chunks[0]
    picked = [pick_rows(page, leaves[0], rows) for page, rows in zip(chunk.pages(), chunk.rows, strict=True)]
    return decode(picked, leaves[0], chunk.dictionary)


def _lists(type_: pa.DataType, leaves: Sequence[Leaf], chunks: Sequence[_Chunk]) -> pa.Array:
    """Return a list column made of its Parquet columns, whose rows all have the same entries."""
    first = chunks[0].pages()
    entries = [find_lists(page, rows) for page, rows in zip(first, chunks[0].rows, strict=True)]
    picked = [_entries(first if at == 0 else chunk.pages(), leaves[at], entries) for at, chunk in enumerate(chunks)]
    children = [decode(p, leaf, chunk.dictionary) for p, leaf, chunk in zip(picked, leaves, chunks, strict=True)]
    levels = np.concatenate([each.levels for each in picked[0] if each.levels is not None])
    return _assembled(type_, leaves[0].levels, levels, np.concatenate([e.counts for e in entries]), children)


def _entries(pages: Sequence[Page], leaf: Leaf, entries: Sequence[Entries]) -> list[Picked]:
    return [pick_entries(page, leaf, of_page) for page, of_page in zip(pages, entries, strict=True)]


def _assembled(
    type_: pa.DataType, known: Sequence[int], levels: Bytes, counts: Rows, children: Sequence[pa.Array]
) -> pa.Array:
    """Return lists of rows that have `counts` entries each, of which some stand for an empty list or a null."""
    is_entry = levels >= known[1]
    firsts = np.cumsum(counts) - counts
    starts = np.concatenate([[0], np.cumsum(is_entry)])[np.concatenate([firsts, [len(levels)]])]
    if not is_entry.all():
        kept = pa.array(np.flatnonzero(is_entry))
        children = [child.take(kept) for child in children]
    elements = children[0]
    if pa.types.is_struct(type_.value_type):
        nulls = pa.array(levels[is_entry] < known[2])
        elements = pa.StructArray.from_arrays(children, fields=list(type_.value_type), mask=nulls)
    valid = levels[firsts] >= known[0]
    nulls_count = int(np.count_nonzero(~valid))
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little")) if nulls_count else None
    buffers = [bitmap, pa.py_buffer(starts.astype(np.int32))]
    return pa.Array.from_buffers(type_, len(valid), buffers, nulls_count, 0, [elements])
