"""Sums over cells that do not depend on the order of adding: integers exactly, floats with what rounding took away."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import F64, I64, OUT_F64, OUT_I64, U8

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@njit(types.void(I64, U8, I64, OUT_I64, OUT_I64), cache=True, nogil=True)
def _sum_integers(values, mask, cells, high, low):
    for i in range(values.size):
        if mask[i] and 0 <= cells[i] < high.size:
            high[cells[i]] += values[i] >> 32
            low[cells[i]] += values[i] & 0xFFFFFFFF


@njit(types.void(F64, U8, I64, OUT_F64, OUT_F64), cache=True, nogil=True)
def _sum_floats(values, mask, cells, sums, lost):
    for i in range(values.size):
        if mask[i] and 0 <= cells[i] < sums.size:
            before, value = sums[cells[i]], values[i]
            after = before + value
            part = after - before
            lost[cells[i]] += (before - (after - part)) + (value - part)
            sums[cells[i]] = after


def sum_integers(values: Integers, mask: Mask, cells: Integers, cell_count: int) -> tuple[Integers, Integers]:
    """Return per cell the sums of the upper and of the lower 32 bits; exact for up to 2**31 values a cell."""
    high, low = np.zeros(cell_count, np.int64), np.zeros(cell_count, np.int64)
    _sum_integers(values, mask, cells, high, low)
    return high, low


def sum_floats(values: Floats, mask: Mask, cells: Integers, cell_count: int) -> tuple[Floats, Floats]:
    """Return per cell the sum, and the sum of what rounding took away from it."""
    sums, lost = np.zeros(cell_count), np.zeros(cell_count)
    _sum_floats(values, mask, cells, sums, lost)
    return sums, lost


def add_sums(sums: Floats, lost: Floats, more: Floats, more_lost: Floats) -> tuple[Floats, Floats]:
    """Return two results of `sum_floats` as one."""
    with np.errstate(invalid="ignore"):
        after = sums + more
        part = after - sums
        return after, lost + more_lost + ((sums - (after - part)) + (more - part))
