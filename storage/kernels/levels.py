"""Parquet's runs of small numbers, picked where they are wanted: definition and repetition levels, dictionary codes.

A run is one number repeated, or numbers of `width` bits in groups of eight. Runs are passed over whole, so that a few
numbers of a page cost little more than its runs. Nothing is read outside `[at, stop)` of the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from storage.kernels.pages import read_varint
from storage.kernels.signatures import I64, OUT_I64, OUT_U8, U8, Array, returns

_MAX_WIDTH = 32


@njit(returns(types.int64, types.int64, types.int64)(U8, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _run(data: Array, at: Any, stop: Any, width: Any) -> tuple[Any, Any, Any]:
    """Return how many numbers the run at `at` has, where they begin (-1: no run), and the number where it repeats.

    The number is -1 where the run is a list of numbers.
    """
    header, at = read_varint(data, at, stop)
    if at < 0 or header < 2:
        return np.int64(0), np.int64(-1), np.int64(-1)
    if header & 1:
        groups = header >> 1
        if groups > (stop - at) // max(width, 1):  # the last byte of a group is there even where it is not used
            return np.int64(0), np.int64(-1), np.int64(-1)
        return groups * 8, at, np.int64(-1)
    size = (width + 7) >> 3
    if size > stop - at:
        return np.int64(0), np.int64(-1), np.int64(-1)
    value = np.int64(0)
    for i in range(size):
        value |= np.int64(data[at + i]) << (8 * i)
    return header >> 1, at, value


@njit(types.int64(types.int64, types.int64, types.int64), cache=True, nogil=True)
def _size(count: Any, width: Any, value: Any) -> Any:
    """Return the bytes that the numbers of a run take."""
    return (count >> 3) * width if value < 0 else (width + 7) >> 3


@njit(types.int64(U8, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _packed(data: Array, at: Any, width: Any, i: Any) -> Any:
    """Return the i-th number of a list of numbers at `at`, which must be there."""
    bit = i * width
    place = at + (bit >> 3)
    shift = bit & 7
    value = np.int64(0)
    for k in range((shift + width + 7) >> 3):
        value |= np.int64(data[place + k]) << (8 * k)
    return (value >> shift) & ((np.int64(1) << width) - 1)


@njit(types.int64(U8, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _ones(data: Array, at: Any, start: Any, stop: Any) -> Any:
    """Count the bits [start, stop) that are set; bit 0 is in the byte at `at`, and all must be there."""
    total = np.int64(0)
    while start < stop:
        byte = np.uint64(data[at + (start >> 3)]) >> np.uint64(start & 7)
        left = min(8 - (start & 7), stop - start)
        byte &= np.uint64((1 << left) - 1)
        byte -= (byte >> np.uint64(1)) & np.uint64(0x55)
        byte = (byte & np.uint64(0x33)) + ((byte >> np.uint64(2)) & np.uint64(0x33))
        total += np.int64((byte + (byte >> np.uint64(4))) & np.uint64(0x0F))
        start += left
    return total


@njit(types.boolean(U8, types.int64, types.int64, I64, OUT_I64), cache=True, nogil=True)
def find_values(data: Array, at: Any, stop: Any, rows: Array, out: Array) -> bool:
    """Return in `out` which value of the page each of the ascending `rows` has, -1 for nulls; False for damage.

    The levels [at, stop) are of one bit: 1 for rows that have a value.
    """
    found = 0
    first = np.int64(0)  # the first row of the run
    before = np.int64(0)  # values before it
    while found < rows.size:
        count, at, value = _run(data, at, stop, 1)
        if at < 0:
            return False
        seen = np.int64(0)
        passed = np.int64(0)
        while found < rows.size and rows[found] < first + count:
            row = rows[found] - first
            if row < 0:
                return False
            if value >= 0:
                out[found] = before + row if value else -1
            else:
                seen += _ones(data, at, passed, row)
                passed = row
                out[found] = before + seen if _packed(data, at, 1, row) else -1
            found += 1
        if found == rows.size:
            break
        before += _ones(data, at, passed, count) + seen if value < 0 else count * (value != 0)
        first += count
        at += _size(count, 1, value)
    return True


@njit(types.boolean(U8, types.int64, types.int64, types.int64, I64, OUT_I64), cache=True, nogil=True)
def pick_numbers(data: Array, at: Any, stop: Any, width: Any, places: Array, out: Array) -> bool:
    """Return in `out` the numbers at the given places, which ascend but for those of -1, where it holds -1 too.

    False where the runs end before or make no sense.
    """
    if width < 0 or width > _MAX_WIDTH:
        return False
    first = np.int64(0)
    count = np.int64(0)
    value = np.int64(-1)
    size = np.int64(0)
    for i in range(places.size):
        place = places[i]
        if place < 0:
            out[i] = -1
            continue
        while place >= first + count:
            at += size
            first += count
            count, at, value = _run(data, at, stop, width)
            if at < 0:
                return False
            size = _size(count, width, value)
        if place < first:
            return False
        out[i] = value if value >= 0 else _packed(data, at, width, place - first)
    return True


@njit(types.boolean(U8, types.int64, types.int64, types.int64, OUT_U8), cache=True, nogil=True)
def read_levels(data: Array, at: Any, stop: Any, width: Any, out: Array) -> bool:
    """Fill `out` with the levels [at, stop), of at most 8 bits each; False where they are fewer."""
    filled = 0
    while filled < out.size:
        count, at, value = _run(data, at, stop, width)
        if at < 0:
            return False
        for i in range(min(count, out.size - filled)):
            out[filled + i] = value if value >= 0 else _packed(data, at, width, i)
        at += _size(count, width, value)
        filled += min(count, out.size - filled)
    return True


@njit(types.boolean(U8, I64, OUT_I64, OUT_I64), cache=True, nogil=True)
def find_entries(repetition: Array, rows: Array, firsts: Array, counts: Array) -> bool:
    """Find the entries of the ascending `rows` of a list column: each row begins with a level of 0."""
    found = 0
    row = np.int64(-1)
    counts[:] = 0
    for entry in range(repetition.size):
        if repetition[entry] == 0:
            row += 1
            if found < rows.size and row > rows[found]:
                found += 1
            if found < rows.size and row == rows[found]:
                firsts[found] = entry
        if row < 0:
            return False
        if found < rows.size and row == rows[found]:
            counts[found] += 1
    return rows.size == 0 or row >= rows[rows.size - 1]
