"""Sorting rows within groups by several keys."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from storage.kernels.signatures import I32, OUT_BOOL, OUT_I32, U64, Array

#: Runs up to this many rows are sorted by insertion, longer ones by merging.
_SHORT = 16


@njit(types.boolean(U64, U64, U64, types.int32, types.int32), cache=True, nogil=True, inline="always")
def _precedes(first: Array, second: Array, third: Array, a: Any, b: Any) -> Any:
    """Return whether row `a` stands before row `b` by the three keys; equal rows do not."""
    if first[a] != first[b]:
        return first[a] < first[b]
    if second[a] != second[b]:
        return second[a] < second[b]
    return third[a] < third[b]


@njit(types.void(U64, U64, U64, OUT_I32, types.int64, types.int64), cache=True, nogil=True)
def _insertion_sort(first: Array, second: Array, third: Array, rows: Array, start: Any, stop: Any) -> None:
    for i in range(start + 1, stop):
        row = rows[i]
        at = i
        while at > start and _precedes(first, second, third, row, rows[at - 1]):
            rows[at] = rows[at - 1]
            at -= 1
        rows[at] = row


@njit(
    types.void(U64, U64, U64, OUT_I32, OUT_I32, types.int64, types.int64, types.int64),
    cache=True,
    nogil=True,
)
def _merge_runs(
    first: Array, second: Array, third: Array, rows: Array, scratch: Array, start: Any, middle: Any, stop: Any
) -> None:
    """Merge two sorted runs that lie side by side; stable."""
    if not _precedes(first, second, third, rows[middle], rows[middle - 1]):
        return
    for i in range(start, middle):
        scratch[i] = rows[i]
    left = start
    right = middle
    at = start
    while left < middle:
        if right < stop and _precedes(first, second, third, rows[right], scratch[left]):
            rows[at] = rows[right]
            right += 1
        else:
            rows[at] = scratch[left]
            left += 1
        at += 1


@njit(types.void(OUT_I32, I32, U64, U64, U64), cache=True, nogil=True)
def sort_groups(rows: Array, bounds: Array, first: Array, second: Array, third: Array) -> None:
    """Sort `rows[bounds[g]:bounds[g + 1]]` in place, for each group, by the keys of the rows; stable."""
    scratch = np.empty(rows.size, np.int32)
    for group in range(bounds.size - 1):
        start = np.int64(bounds[group])
        stop = np.int64(bounds[group + 1])
        run = start
        while run < stop:
            _insertion_sort(first, second, third, rows, run, min(run + _SHORT, stop))
            run += _SHORT
        width = np.int64(_SHORT)
        while width < stop - start:
            run = start
            while run + width < stop:
                _merge_runs(first, second, third, rows, scratch, run, run + width, min(run + 2 * width, stop))
                run += 2 * width
            width *= 2


@njit(OUT_BOOL(I32, I32, U64, U64, U64), cache=True, nogil=True)
def equal_to_neighbour(rows: Array, bounds: Array, first: Array, second: Array, third: Array) -> Array:
    """Return for each place in sorted groups whether a row beside it in its group has the same keys."""
    equal = np.zeros(rows.size, np.bool_)
    for group in range(bounds.size - 1):
        for at in range(bounds[group] + 1, bounds[group + 1]):
            a = rows[at - 1]
            b = rows[at]
            if first[a] == first[b] and second[a] == second[b] and third[a] == third[b]:
                equal[at - 1] = True
                equal[at] = True
    return equal
