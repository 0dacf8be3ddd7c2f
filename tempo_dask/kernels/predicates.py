"""Predicates over one column: arrays in, a mask of bytes (0 or 1) out, no branch inside a loop.

A mask says for each row whether it matches. What a null row holds is arbitrary, so callers clear null rows
afterwards (`mask &= valid`).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.signatures import F64, I32, I64, OUT_U8, U8, U32

Mask: TypeAlias = npt.NDArray[np.uint8]


@njit(
    [types.void(I64, types.int64, types.int64, OUT_U8), types.void(I32, types.int64, types.int64, OUT_U8)],
    cache=True,
    nogil=True,
)
def _between_ints(data, low, high, out):
    # One unsigned comparison tells both ends: numbers below `low` wrap around to very large ones.
    width = np.uint64(high) - np.uint64(low)
    for i in range(out.size):
        out[i] = np.uint64(data[i]) - np.uint64(low) <= width


@njit(types.void(F64, types.float64, types.float64, OUT_U8), cache=True, nogil=True)
def _between_floats(data, low, high, out):
    for i in range(out.size):
        out[i] = (data[i] >= low) & (data[i] <= high)


@njit(
    [types.void(U8, U8, OUT_U8), types.void(I32, U8, OUT_U8), types.void(U32, U8, OUT_U8)],
    cache=True,
    nogil=True,
)
def _look_up(codes, table, out):
    last = np.uint32(table.size - 1)
    for i in range(out.size):
        out[i] = table[min(np.uint32(codes[i]), last)]


@njit(types.void(U8, I32, OUT_U8), cache=True, nogil=True)
def _any_in_list(elements, offsets, out):
    for row in range(out.size):
        found = np.uint8(0)
        for at in range(max(offsets[row], 0), min(offsets[row + 1], elements.size)):
            found |= elements[at]
        out[row] = found


@njit(types.void(U8, U32, OUT_U8), cache=True, nogil=True)
def _any_of_owner(mask, owners, out):
    for i in range(mask.size):
        if owners[i] < out.size:
            out[owners[i]] |= mask[i]


def between(data: npt.NDArray[Any], low: float, high: float) -> Mask:
    """Return where `low <= data <= high`; `data` is int32, int64 or float64 (NaN is nowhere between)."""
    out = np.empty(len(data), np.uint8)
    (_between_floats if data.dtype == np.float64 else _between_ints)(data, low, high, out)
    return out


def look_up(codes: npt.NDArray[Any], table: Mask) -> Mask:
    """Return `table[code]` for each code (uint8, int32 or uint32); 0 for codes outside of the table."""
    out = np.empty(len(codes), np.uint8)
    _look_up(codes, np.append(table, np.uint8(0)), out)
    return out


def any_in_list(elements: Mask, offsets: npt.NDArray[np.int32]) -> Mask:
    """Return for each list whether any of its elements matches; `offsets` (rows + 1) cuts the elements into lists."""
    out = np.empty(max(len(offsets) - 1, 0), np.uint8)
    _any_in_list(elements, offsets, out)
    return out


def any_of_owner(mask: Mask, owners: npt.NDArray[np.uint32], owner_count: int) -> Mask:
    """Return for each owner whether any row that it owns matches (rows of events to their spans)."""
    out = np.zeros(owner_count, np.uint8)
    _any_of_owner(mask, owners, out)
    return out
