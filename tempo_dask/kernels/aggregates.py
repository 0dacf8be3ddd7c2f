"""Numbers of spans reduced by group: count, sum, least and greatest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import F64, I64, OUT_F64, OUT_I64, U8, U32

_LEAST, _GREATEST = np.int64(np.iinfo(np.int64).min), np.int64(np.iinfo(np.int64).max)


@njit(
    [
        types.void(I64, U8, U32, OUT_I64, OUT_I64, OUT_I64, OUT_I64),
        types.void(F64, U8, U32, OUT_I64, OUT_F64, OUT_F64, OUT_F64),
    ],
    cache=True,
    nogil=True,
)
def _reduce(values, mask, groups, counts, sums, least, greatest):
    for i in range(values.size):
        group = groups[i]
        if mask[i] and group < counts.size:
            counts[group] += 1
            sums[group] += values[i]
            least[group] = min(least[group], values[i])
            greatest[group] = max(greatest[group], values[i])


@njit(types.void(I64, U8, I64, OUT_I64, OUT_I64, OUT_I64, OUT_I64), cache=True, nogil=True)
def _reduce_runs_of_integers(values, mask, offsets, counts, sums, least, greatest):
    """Reduce without a branch for each span: which ones match can seldom be guessed."""
    for run in range(counts.size):
        count, total, low, high = counts[run], sums[run], least[run], greatest[run]
        for i in range(max(offsets[run], 0), min(offsets[run + 1], min(values.size, mask.size))):
            matches = -np.int64(mask[i])  # no bits, or all
            value = values[i] & matches
            count -= matches
            total += value
            low = min(low, value | (_GREATEST & ~matches))
            high = max(high, value | (_LEAST & ~matches))
        counts[run], sums[run], least[run], greatest[run] = count, total, low, high


@njit(types.void(F64, U8, I64, OUT_I64, OUT_F64, OUT_F64, OUT_F64), cache=True, nogil=True)
def _reduce_runs(values, mask, offsets, counts, sums, least, greatest):
    for run in range(counts.size):
        count, total, low, high = counts[run], sums[run], least[run], greatest[run]
        for i in range(max(offsets[run], 0), min(offsets[run + 1], min(values.size, mask.size))):
            if mask[i]:
                count += 1
                total += values[i]
                low = min(low, values[i])
                high = max(high, values[i])
        counts[run], sums[run], least[run], greatest[run] = count, total, low, high


@dataclass(frozen=True, slots=True)
class Reduced:
    """One number for each group; of a group without values `counts` is 0 and the others mean nothing."""

    counts: npt.NDArray[np.int64]
    sums: npt.NDArray[Any]
    least: npt.NDArray[Any]
    greatest: npt.NDArray[Any]


def reduce_by_group(values: npt.NDArray[Any], mask: Mask, groups: npt.NDArray[np.uint32], group_count: int) -> Reduced:
    """Reduce the matching values (int64, whose sums wrap around, or float64) of each group."""
    reduced = _nothing(group_count, values.dtype)
    _reduce(values, mask, groups, reduced.counts, reduced.sums, reduced.least, reduced.greatest)
    return reduced


def reduce_runs(values: npt.NDArray[Any], mask: Mask, offsets: npt.NDArray[np.int64]) -> Reduced:
    """Reduce the matching values of groups that stand together, cut by `offsets` (groups + 1)."""
    reduced = _nothing(len(offsets) - 1, values.dtype)
    reduce = _reduce_runs if values.dtype == np.float64 else _reduce_runs_of_integers
    reduce(values, mask, offsets, reduced.counts, reduced.sums, reduced.least, reduced.greatest)
    return reduced


def _nothing(groups: int, dtype: np.dtype[Any]) -> Reduced:
    extremes = (-np.inf, np.inf) if dtype == np.float64 else (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
    return Reduced(
        np.zeros(groups, np.int64),
        np.zeros(groups, dtype),
        np.full(groups, extremes[1], dtype),
        np.full(groups, extremes[0], dtype),
    )
