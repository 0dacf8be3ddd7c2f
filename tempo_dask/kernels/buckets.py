"""Power-of-two buckets: bucket b holds the integers above 2**(b - 1) and up to 2**b."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import I64, OUT_F64, OUT_I64, U8

BUCKETS = 64


#: Where the exponent of a float64 begins, and what is added to it.
_EXPONENT, _BIAS = 52, 1022


@njit(types.int64(types.int64), cache=True, nogil=True)
def _bit_length(number):
    """Return how many bits a number from 1 on has: one more than the exponent that it has as a float."""
    # Without the bits next below the highest one it is not rounded up to one bit more.
    return (np.float64(number & ~(number >> 1)).view(np.int64) >> _EXPONENT) - _BIAS


@njit(types.void(I64, U8, I64, OUT_I64), cache=True, nogil=True)
def _count_buckets(values, mask, cells, counts):
    for i in range(values.size):
        at = cells[i] * BUCKETS + _bit_length(max(values[i] - 1, 1))
        if (mask[i] != 0) & (values[i] >= 2) & (cells[i] >= 0) & (at < counts.size):
            counts[at] += 1


@njit(types.void(I64, types.float64, OUT_F64), cache=True, nogil=True)
def _quantile_exponents(counts, quantile, exponents):
    for cell in range(exponents.size):
        of_cell = counts[cell * BUCKETS : (cell + 1) * BUCKETS]
        total = of_cell.sum()
        wanted = max(np.ceil(quantile * total), 1.0)
        below, lower = 0, -1
        for bucket in range(BUCKETS):
            count = of_cell[bucket]
            if below + count >= wanted:
                lower = lower if lower >= 0 else bucket - 1
                exponents[cell] = lower + (bucket - lower) * ((wanted - below) / count)
                break
            if count > 0:
                below, lower = below + count, bucket


def quantile_exponents(counts: npt.NDArray[np.int64], quantile: float) -> npt.NDArray[np.float64]:
    """Return the binary logarithm of each cell's quantile, from 0 to 1; that of a cell without values is -inf.

    It is interpolated within the bucket that the quantile falls into, from the bucket before it that holds anything;
    `counts` are (cells, buckets).
    """
    exponents = np.full(len(counts), -np.inf)
    _quantile_exponents(np.ascontiguousarray(counts).reshape(-1), quantile, exponents)
    return exponents


def count_buckets(
    values: npt.NDArray[np.int64], mask: Mask, cells: npt.NDArray[np.int64], cell_count: int
) -> npt.NDArray[np.int64]:
    """Return how many matching values of each cell are in each bucket (cells, buckets); those below 2 do not count."""
    counts = np.zeros(cell_count * BUCKETS, np.int64)
    _count_buckets(values, mask, cells, counts)
    return counts.reshape(cell_count, BUCKETS)
