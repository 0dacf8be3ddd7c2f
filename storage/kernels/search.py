"""Finding ids in a sorted array of ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from storage.kernels.signatures import OUT_I64, U8, Array

_WIDTH = 16


@njit(types.int64(U8, types.int64, U8, types.int64), cache=True, nogil=True, inline="always")
def _compare(ids: Array, row: Any, wanted: Array, at: Any) -> Any:
    """Return below, at or above 0 as the id in `row` stands before, at or behind the wanted one."""
    for i in range(_WIDTH):
        difference = np.int64(ids[row * _WIDTH + i]) - np.int64(wanted[at * _WIDTH + i])
        if difference != 0:
            return difference
    return np.int64(0)


@njit(OUT_I64(U8, U8), cache=True, nogil=True)
def find_ids(ids: Array, wanted: Array) -> Array:
    """Return for each wanted id its place in the sorted `ids`, or -1; both hold ids of 16 bytes end to end."""
    places = np.full(wanted.size // _WIDTH, np.int64(-1))
    for at in range(places.size):
        low = np.int64(0)
        high = np.int64(ids.size // _WIDTH)
        while low < high:
            middle = (low + high) >> 1
            order = _compare(ids, middle, wanted, at)
            if order == 0:
                places[at] = middle
                break
            if order < 0:
                low = middle + 1
            else:
                high = middle
    return places


@njit(OUT_I64(U8, U8), cache=True, nogil=True)
def shared_ids(first: Array, second: Array) -> Array:
    """Return the places in `first` of ids that are in `second` too; both sorted, no id twice in either."""
    places = np.empty(min(first.size, second.size) // _WIDTH, np.int64)
    count = 0
    a = np.int64(0)
    b = np.int64(0)
    while a < first.size // _WIDTH and b < second.size // _WIDTH:
        order = _compare(first, a, second, b)
        if order == 0:
            places[count] = a
            count += 1
            a += 1
            b += 1
        elif order < 0:
            a += 1
        else:
            b += 1
    return places[:count].copy()
