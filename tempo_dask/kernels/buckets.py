"""Power-of-two buckets: bucket b holds the integers above 2**(b - 1) and up to 2**b."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import I64, OUT_I64, U8

BUCKETS = 64


@njit(types.void(I64, U8, I64, OUT_I64), cache=True, nogil=True)
def _count_buckets(values, mask, cells, counts):
    for i in range(values.size):
        rest = np.uint64(values[i] - 1)
        bucket = np.int64(0)
        for shift in (32, 16, 8, 4, 2, 1):  # the number of bits, by halves
            above = rest >> np.uint64(shift)
            bucket += shift * (above > 0)
            rest = above if above > 0 else rest
        bucket += np.int64(rest)
        at = cells[i] * BUCKETS + bucket
        if mask[i] and values[i] >= 2 and cells[i] >= 0 and at < counts.size:
            counts[at] += 1


def count_buckets(
    values: npt.NDArray[np.int64], mask: Mask, cells: npt.NDArray[np.int64], cell_count: int
) -> npt.NDArray[np.int64]:
    """Return how many matching values of each cell are in each bucket (cells, buckets); those below 2 do not count."""
    counts = np.zeros(cell_count * BUCKETS, np.int64)
    _count_buckets(values, mask, cells, counts)
    return counts.reshape(cell_count, BUCKETS)
