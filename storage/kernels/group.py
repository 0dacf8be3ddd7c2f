"""Equal ids get equal numbers: grouping by a hash table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from storage.kernels.signatures import I32, I64, OUT_I32, OUT_I64, U64, Array, returns


@njit(types.uint64(types.uint64, types.uint64, types.uint64), cache=True, nogil=True, inline="always")
def mix(high: Any, low: Any, seed: Any) -> Any:
    """Return a hash of 128 bits under a secret seed, so that nobody can choose ids that collide."""
    h = (high ^ seed) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(32)) ^ low) * np.uint64(0xD6E8FEB86659FD93)
    h = (h ^ (h >> np.uint64(29)) ^ seed) * np.uint64(0xBF58476D1CE4E5B9)
    return h ^ (h >> np.uint64(32))


@njit(
    returns(OUT_I32, OUT_I32)(U64, U64, types.uint64),
    cache=True,
    nogil=True,
)
def number_ids(high: Array, low: Array, seed: int) -> tuple[Array, Array]:
    """Return for each id its number in order of first appearance, and for each number its first row."""
    rows = high.size
    size = 16
    while size < 2 * rows:
        size *= 2
    slots = np.full(size, np.int32(-1))
    numbers = np.empty(rows, np.int32)
    firsts = np.empty(rows, np.int32)
    count = 0
    for row in range(rows):
        at = np.int64(mix(high[row], low[row], seed) & np.uint64(size - 1))
        while True:
            number = slots[at]
            if number < 0:
                slots[at] = count
                firsts[count] = row
                numbers[row] = count
                count += 1
                break
            first = firsts[number]
            if high[first] == high[row] and low[first] == low[row]:
                numbers[row] = number
                break
            at = (at + 1) & (size - 1)
    return numbers, firsts[:count].copy()


@njit(OUT_I64(I64, I64, types.int64, types.int64), cache=True, nogil=True)
def number_pairs(first: Array, second: Array, height: int, width: int) -> Array:
    """Return for each pair of codes its number in order of first appearance.

    Codes are below `height` and `width`, of which the product is small, and both arrays are of the same length.
    """
    numbers = np.full(height * width, np.int64(-1))
    out = np.empty(min(first.size, second.size), np.int64)
    count = 0
    for row in range(out.size):
        if not (0 <= first[row] < height and 0 <= second[row] < width):
            raise ValueError("a code is out of range")
        at = first[row] * width + second[row]
        if numbers[at] < 0:
            numbers[at] = count
            count += 1
        out[row] = numbers[at]
    return out


@njit(returns(OUT_I32, OUT_I32)(I32, types.int64), cache=True, nogil=True)
def rows_by_number(numbers: Array, count: int) -> tuple[Array, Array]:
    """Return the rows in order of their numbers, equal ones in row order, and where each number begins.

    Rows with a negative number are left out. Numbers must be below `count`; `bounds` has `count + 1` entries.
    """
    bounds = np.zeros(count + 1, np.int32)
    for number in numbers:
        if number >= 0:
            bounds[number + 1] += 1
    for number in range(count):
        bounds[number + 1] += bounds[number]
    at = bounds[:-1].copy()
    rows = np.empty(bounds[count], np.int32)
    for row in range(numbers.size):
        number = numbers[row]
        if number >= 0:
            rows[at[number]] = row
            at[number] += 1
    return rows, bounds
