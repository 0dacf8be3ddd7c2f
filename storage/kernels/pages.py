"""Headers of Parquet pages: just enough of Thrift's compact protocol to read them and to pass over the rest.

Nothing is read outside `[at, stop)` of the data; what makes no sense there is told by a place of -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from storage.kernels.signatures import OUT_I64, OUT_TABLE, TABLE, U8, Array, returns

#: Thrift's types; a field's boolean value is its type. Structs are the only ones that hold fields.
_TRUE, _FALSE, _BYTE, _I64, _DOUBLE, _BINARY, LIST, _SET, STRUCT = 1, 2, 3, 6, 7, 8, 9, 10, 12
_MAX_DEPTH = 16
_FIELDS = -1

DATA_PAGE, DICTIONARY_PAGE = 0, 2
#: The columns of a page header: the place behind it, the page's type, its sizes, values, their encoding, its checksum.
BEHIND, PAGE_TYPE, PAGE_UNCOMPRESSED, PAGE_STORED, PAGE_VALUES, PAGE_ENCODING, CRC = 0, 1, 2, 3, 4, 5, 6


@njit(returns(types.int64, types.int64)(U8, types.int64, types.int64), cache=True, nogil=True)
def read_varint(data: Array, at: Any, stop: Any) -> tuple[Any, Any]:
    """Return a varint and the place behind it."""
    value = np.uint64(0)
    shift = np.uint64(0)
    while 0 <= at < stop and shift < 64:
        byte = data[at]
        value |= np.uint64(byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return np.int64(value), at
        shift += np.uint64(7)
    return np.int64(0), np.int64(-1)


@njit(types.int64(U8, types.int64, types.int64, types.int64), cache=True, nogil=True)
def skip_value(data: Array, at: Any, stop: Any, kind: Any) -> Any:
    """Return the place behind a value of a type.

    A stack holds what is being skipped: so many elements of a type, or the fields of a struct.
    """
    kinds = np.zeros(_MAX_DEPTH + 1, np.int64)
    left = np.zeros(_MAX_DEPTH + 1, np.int64)
    depth = 0
    kinds[0] = kind
    left[0] = 1
    while depth >= 0:
        if at < 0 or at > stop or depth == _MAX_DEPTH:
            return np.int64(-1)
        if left[depth] == 0:
            depth -= 1
        elif left[depth] == _FIELDS:
            if at == stop:
                return np.int64(-1)
            header = np.int64(data[at])
            at += 1
            if header == 0:
                depth -= 1
                continue
            if header >> 4 == 0:
                _, at = read_varint(data, at, stop)
            if header & 15 > _FALSE:
                depth += 1
                kinds[depth] = header & 15
                left[depth] = 1
        else:
            left[depth] -= 1
            kind = kinds[depth]
            if kind == STRUCT:
                depth += 1
                left[depth] = _FIELDS
            elif _TRUE <= kind <= _BYTE:
                at += 1
            elif _BYTE < kind <= _I64:
                _, at = read_varint(data, at, stop)
            elif kind == _DOUBLE:
                at += 8
            elif kind == _BINARY:
                size, at = read_varint(data, at, stop)
                if at < 0 or size < 0 or size > stop - at:
                    return np.int64(-1)
                at += size
            elif LIST <= kind <= _SET and at < stop:
                header = np.int64(data[at])
                at += 1
                size = header >> 4
                if size == 15:
                    size, at = read_varint(data, at, stop)
                if size < 0 or size > stop:
                    return np.int64(-1)
                depth += 1
                kinds[depth] = header & 15
                left[depth] = size
            else:
                return np.int64(-1)
    return at


@njit(types.int64(U8, types.int64, types.int64, types.int64), cache=True, nogil=True)
def skip_field(data: Array, at: Any, stop: Any, kind: Any) -> Any:
    """Return the place behind the value of a field: as `skip_value`, but a boolean is in the field's type."""
    return at if kind in (_TRUE, _FALSE) else skip_value(data, at, stop, kind)


@njit(returns(types.int64, types.int64, types.int64)(U8, types.int64, types.int64), cache=True, nogil=True)
def next_field(data: Array, at: Any, stop: Any) -> tuple[Any, Any, Any]:
    """Return how much a field's id is above the one before, its type and the place of its value; type 0 at the end."""
    if at < 0 or at >= stop or (data[at] != 0 and data[at] >> 4 == 0):  # ids far apart do not occur here
        return np.int64(0), np.int64(0), np.int64(-1)
    return np.int64(data[at] >> 4), np.int64(data[at] & 15), np.int64(at + 1)


@njit(OUT_I64(U8, types.int64, types.int64), cache=True, nogil=True)
def _read_page_header(data: Array, at: Any, stop: Any) -> Array:
    """Return what a page header says: the columns `BEHIND` to `CRC`, -1 where there is nothing that makes sense."""
    header = np.full(7, np.int64(-1))
    number = np.int64(0)
    while True:
        step, kind, at = next_field(data, at, stop)
        if at < 0:
            return header
        if kind == 0:
            header[0] = at
            return header
        number += step
        if number <= 4 and _BYTE < kind <= _I64:
            value, at = read_varint(data, at, stop)
            if number == 4:
                header[CRC] = ((value >> 1) ^ -(value & 1)) & 0xFFFFFFFF
            else:
                header[number] = value >> 1
        elif number in (5, 7) and kind == STRUCT:  # of a data page or a dictionary
            inner = np.int64(0)
            while True:
                step, kind, at = next_field(data, at, stop)
                if at < 0:
                    return header
                if kind == 0:
                    break
                inner += step
                if inner <= 2 and _BYTE < kind <= _I64:
                    value, at = read_varint(data, at, stop)
                    header[3 + inner] = value >> 1
                else:
                    at = skip_field(data, at, stop, kind)
        else:
            at = skip_field(data, at, stop, kind)


@njit(OUT_TABLE(U8, TABLE), cache=True, nogil=True)
def read_page_headers(data: Array, places: Array) -> Array:
    """Return the headers of pages that lie in [start, stop) of the data, a row each columns `BEHIND` to `CRC`.

    Places must lie in the data; those of no length have no header.
    """
    headers = np.full((places.shape[0], 7), np.int64(-1))
    for i in range(places.shape[0]):
        if places[i, 0] < places[i, 1]:
            headers[i] = _read_page_header(data, places[i, 0], places[i, 1])
    return headers
