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
#: Levels begin with their length in bytes.
LEVELS_PREFIX = 4


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


@njit(types.int64(U8, types.int64), cache=True, nogil=True)
def levels_stop(data: Array, at: Any) -> Any:
    """Return where the levels end that begin behind their length at `at`; -1 where they are not there."""
    if at < 0 or data.size - at < LEVELS_PREFIX:
        return np.int64(-1)
    size = np.int64(0)
    for i in range(LEVELS_PREFIX):
        size |= np.int64(data[at + i]) << (8 * i)
    stop = at + LEVELS_PREFIX + size
    return stop if stop <= data.size else np.int64(-1)


@njit(
    returns(types.int64, types.int64)(U8, types.int64, types.boolean, types.boolean, I64, OUT_I64),
    cache=True,
    nogil=True,
)
def pick_page(data: Array, values: Any, optional: Any, coded: Any, rows: Array, out: Array) -> tuple[Any, Any]:
    """Find the values of ascending rows of a flat column's page: which of its values they are, or their codes.

    `values` says how many rows the page has. `out` is -1 for nulls. Returns where values begin and how many of the
    rows have one; -1 for both where the page is damaged.
    """
    damaged = (np.int64(-1), np.int64(-1))
    if rows.size == 0 or rows[0] < 0 or rows[rows.size - 1] >= values:
        return damaged
    start = np.int64(0)
    found = np.int64(rows.size)
    if optional:
        start = levels_stop(data, 0)
        if start < 0 or not find_values(data, LEVELS_PREFIX, start, rows, out):
            return damaged
        found = np.int64(0)
        for place in out:
            found += place >= 0
    else:
        out[:] = rows
    if not coded or not found:
        return start, found
    if start >= data.size or not pick_numbers(data, start + 1, data.size, np.int64(data[start]), out, out):
        return damaged
    return start, found


@njit(types.int64(U8, types.int64, I64, OUT_I64, OUT_I64), cache=True, nogil=True)
def find_entries(data: Array, values: Any, rows: Array, firsts: Array, counts: Array) -> Any:
    """Find the entries of strictly ascending rows of a list column's page that has `values` entries.

    A row begins with a repetition level of 0. Returns where these levels end; -1 where the page is damaged.
    """
    stop = levels_stop(data, 0) if rows.size else np.int64(-1)
    at = np.int64(LEVELS_PREFIX)
    counts[:] = 0
    found = 0
    row = np.int64(-1)
    entry = np.int64(0)
    while entry < values and stop >= 0:
        count, at, value = _run(data, at, stop, 1)
        if at < 0:
            return np.int64(-1)
        for i in range(min(count, values - entry)):
            level = value if value >= 0 else np.int64((data[at + (i >> 3)] >> (i & 7)) & 1)
            if level == 0:
                row += 1
                if row > rows[found]:
                    found += 1
                    if found == rows.size:
                        return stop
                if row == rows[found]:
                    firsts[found] = entry
            if row == rows[found]:
                counts[found] += 1
            entry += 1
        at += _size(count, 1, value)
    return stop if rows.size and found == rows.size - 1 and row == rows[found] else np.int64(-1)


@njit(
    types.int64(U8, types.int64, types.int64, types.int64, I64, OUT_U8, OUT_I64),
    cache=True,
    nogil=True,
)
def pick_levels(data: Array, at: Any, width: Any, top: Any, entries: Array, levels: Array, places: Array) -> Any:
    """Find the definition levels of ascending entries, and which value each is that has one (the level `top`), or -1.

    The levels' length is at `at`. Returns where they end; -1 where they are damaged.
    """
    stop = levels_stop(data, at)
    if stop < 0:
        return np.int64(-1)
    at += LEVELS_PREFIX
    found = 0
    first = np.int64(0)
    before = np.int64(0)
    while found < entries.size:
        count, at, value = _run(data, at, stop, width)
        if at < 0:
            return np.int64(-1)
        passed = np.int64(0)
        while found < entries.size and entries[found] < first + count:
            entry = entries[found] - first
            if value >= 0:
                level = value
                place = before + (entry if value == top else 0)
            else:
                while passed < entry:
                    before += _packed(data, at, width, passed) == top
                    passed += 1
                level = _packed(data, at, width, entry)
                place = before
            levels[found] = level
            places[found] = place if level == top else -1
            found += 1
        if found == entries.size:
            break
        if value >= 0:
            before += count if value == top else 0
        else:
            while passed < count:
                before += _packed(data, at, width, passed) == top
                passed += 1
        first += count
        at += _size(count, width, value)
    return stop
