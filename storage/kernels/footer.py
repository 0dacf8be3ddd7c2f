"""Reading what a Parquet footer says of its columns: the schema, where column chunks lie, where their pages lie.

A footer of a large block describes a thousand column chunks; here it is read in a tenth of a millisecond. Nothing is
read outside the given data; what makes no sense is told by an empty result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from storage.kernels.pages import STRUCT, next_field, read_varint, skip_field
from storage.kernels.signatures import OUT_I64, OUT_TABLE, TABLE, U8, Array, returns

_I32, _I64, _BINARY = 5, 6, 8
_LONG = 15
_NO_ROWS = np.zeros((0, 0), np.int64)

#: The columns of `read_elements`; a name is bytes [`NAME_START`, `NAME_STOP`) of the footer.
TYPE, REPETITION, CHILDREN, NAME_START, NAME_STOP = 0, 1, 2, 3, 4
#: The columns of `read_chunks`. What is not said is -1.
CODEC, VALUES, UNCOMPRESSED, STORED, DATA, DICTIONARY, INDEX, INDEX_LENGTH, ROWS = 0, 1, 2, 3, 4, 5, 6, 7, 8
_CHUNK_COLUMNS = 9


@njit(returns(types.int64, types.int64, types.int64)(U8, types.int64), cache=True, nogil=True)
def _list_header(data: Array, at: Any) -> tuple[Any, Any, Any]:
    """Return a list's size, the type of its elements and the place of the first; a place of -1 where there is none."""
    if at < 0 or at >= data.size:
        return np.int64(0), np.int64(0), np.int64(-1)
    size = np.int64(data[at] >> 4)
    kind = np.int64(data[at] & 15)
    at += 1
    if size == _LONG:
        size, at = read_varint(data, at, data.size)
    if size < 0 or size > data.size:
        return np.int64(0), np.int64(0), np.int64(-1)
    return size, kind, at


@njit(types.int64(U8, types.int64, types.int64), cache=True, nogil=True)
def _find_field(data: Array, at: Any, wanted: Any) -> Any:
    """Return the place of the value of a field of the struct that begins at `at`, -1 where it has none."""
    number = np.int64(0)
    while True:
        step, kind, at = next_field(data, at, data.size)
        number += step
        if at < 0 or kind == 0 or number > wanted:
            return np.int64(-1)
        if number == wanted:
            return at
        at = skip_field(data, at, data.size, kind)


@njit(types.int64(U8, types.int64, OUT_I64), cache=True, nogil=True)
def _read_element(data: Array, at: Any, out: Array) -> Any:
    """Read a SchemaElement into `out`; return the place behind it or -1."""
    out[:] = 0
    out[TYPE] = -1
    number = np.int64(0)
    while True:
        step, kind, at = next_field(data, at, data.size)
        if at < 0 or kind == 0:
            return at
        number += step
        if (number == 1 or number == 3 or number == 5) and kind == _I32:
            value, at = read_varint(data, at, data.size)
            out[number >> 1] = value >> 1
        elif number == 4 and kind == _BINARY:
            size, at = read_varint(data, at, data.size)
            if at < 0 or size < 0 or size > data.size - at:
                return np.int64(-1)
            out[NAME_START] = at
            at += size
            out[NAME_STOP] = at
        else:
            at = skip_field(data, at, data.size, kind)


@njit(OUT_TABLE(U8), cache=True, nogil=True)
def read_elements(footer: Array) -> Array:
    """Return the elements of the schema, the root among them, a row each."""
    count, kind, at = _list_header(footer, _find_field(footer, 0, 2))
    if at < 0 or kind != STRUCT:
        return _NO_ROWS.copy()
    elements = np.empty((count, 5), np.int64)
    for i in range(count):
        at = _read_element(footer, at, elements[i])
        if at < 0:
            return _NO_ROWS.copy()
    return elements


@njit(types.int64(U8, types.int64, OUT_I64), cache=True, nogil=True)
def _read_column_meta(data: Array, at: Any, out: Array) -> Any:
    """Read a ColumnMetaData into `out`; return the place behind it or -1."""
    number = np.int64(0)
    while True:
        step, kind, at = next_field(data, at, data.size)
        if at < 0 or kind == 0:
            return at
        number += step
        place = -1
        if number == 4:
            place = CODEC
        elif number == 5:
            place = VALUES
        elif number == 6:
            place = UNCOMPRESSED
        elif number == 7:
            place = STORED
        elif number == 9:
            place = DATA
        elif number == 11:
            place = DICTIONARY
        if place >= 0 and (kind in (_I32, _I64)):
            value, at = read_varint(data, at, data.size)
            out[place] = value >> 1
        else:
            at = skip_field(data, at, data.size, kind)


@njit(types.int64(U8, types.int64, OUT_I64), cache=True, nogil=True)
def _read_chunk(data: Array, at: Any, out: Array) -> Any:
    """Read a ColumnChunk into `out`; return the place behind it or -1."""
    out[:] = -1
    number = np.int64(0)
    while True:
        step, kind, at = next_field(data, at, data.size)
        if at < 0 or kind == 0:
            return at
        number += step
        if number == 3 and kind == STRUCT:
            at = _read_column_meta(data, at, out)
        elif (number == 4 or number == 5) and (kind in (_I32, _I64)):
            value, at = read_varint(data, at, data.size)
            out[INDEX if number == 4 else INDEX_LENGTH] = value >> 1
        else:
            at = skip_field(data, at, data.size, kind)


@njit(OUT_TABLE(U8, types.int64), cache=True, nogil=True)
def read_chunks(footer: Array, columns: int) -> Array:
    """Return the column chunks of all row groups, a row each, those of the first row group first.

    The result has no columns where they cannot be read.
    """
    groups, kind, at = _list_header(footer, _find_field(footer, 0, 4))
    if at < 0 or kind != STRUCT or columns <= 0 or groups * columns > footer.size:
        return _NO_ROWS.copy()
    chunks = np.empty((groups * columns, _CHUNK_COLUMNS), np.int64)
    for group in range(groups):
        rows = _find_field(footer, at, 3)
        count, kind, place = _list_header(footer, _find_field(footer, at, 1))
        if rows < 0 or place < 0 or kind != STRUCT or count != columns:
            return _NO_ROWS.copy()
        for column in range(columns):
            place = _read_chunk(footer, place, chunks[group * columns + column])
            if place < 0:
                return _NO_ROWS.copy()
        chunks[group * columns : (group + 1) * columns, ROWS] = read_varint(footer, rows, footer.size)[0] >> 1
        at = skip_field(footer, at, footer.size, STRUCT)
    return chunks


@njit(types.int64(U8, types.int64, OUT_TABLE), cache=True, nogil=True)
def _read_page_index(data: Array, at: Any, pages: Array) -> Any:
    """Read an OffsetIndex into `pages`: offset, length and first row; return how many it has, -1 for damage."""
    count, kind, at = _list_header(data, _find_field(data, at, 1))
    if at < 0 or kind != STRUCT:
        return np.int64(-1)
    for page in range(min(count, pages.shape[0])):
        number = np.int64(0)
        while True:
            step, kind, at = next_field(data, at, data.size)
            if at < 0:
                return np.int64(-1)
            if kind == 0:
                break
            number += step
            if number <= 3 and kind in (_I32, _I64):
                value, at = read_varint(data, at, data.size)
                pages[page, number - 1] = value >> 1
            else:
                at = skip_field(data, at, data.size, kind)
    return count


@njit(types.Array(types.int64, 3, "C")(U8, types.int64, TABLE, types.int64), cache=True, nogil=True)
def read_page_places(data: Array, offset: Any, chunks: Array, page_rows: Any) -> Array:
    """Return where the pages of a row group's columns lie: (columns, 1 + pages, 2), each a start and a stop.

    The dictionary comes first, of no length where there is none. `data` are the OffsetIndexes, whose first byte is at
    `offset` of the file. Without columns where they cannot be read or pages are not of `page_rows` rows.
    """
    count = (chunks[0, ROWS] + page_rows - 1) // page_rows
    nothing = np.zeros((0, 0, 2), np.int64)
    if count < 0 or count > data.size:
        return nothing
    places = np.zeros((chunks.shape[0], 1 + count, 2), np.int64)
    pages = np.zeros((count, 3), np.int64)
    for column in range(chunks.shape[0]):
        pages[:] = -1
        if _read_page_index(data, chunks[column, INDEX] - offset, pages) != count:
            return nothing
        for page in range(count):
            if pages[page, 2] != page * page_rows:
                return nothing
            places[column, 1 + page, 0] = pages[page, 0]
            places[column, 1 + page, 1] = pages[page, 0] + pages[page, 1]
        first = pages[0, 0] if count else np.int64(0)
        dictionary = chunks[column, DICTIONARY]
        places[column, 0, 0] = dictionary if 0 <= dictionary < first else first
        places[column, 0, 1] = first
    return places
