"""Counts per value and slot: the slot of a span (step and side) is computed once and used for many attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import I32, I64, OUT_I64, U8, U32

Slots = npt.NDArray[np.int32]
Codes = npt.NDArray[np.int32]

_ALL_VALID = np.zeros(0, np.uint8)


@njit(
    [types.void(I32, codes, U8, types.int64, OUT_I64) for codes in (I32, U32, I64)],
    cache=True,
    nogil=True,
)
def _count_slots(slots, codes, valid, width, cells):
    whole = valid.size < codes.size
    for i in range(min(slots.size, codes.size)):
        if whole or valid[i] != 0:  # a branch, since most attributes are rare or in neighbouring spans
            cell = np.int64(codes[i]) * width + slots[i]
            if (slots[i] >= 0) & (cell >= 0) & (cell < cells.size):
                cells[cell] += 1


def count_slots(
    slots: Slots, codes: npt.NDArray[Any], valid: Mask | None, value_count: int, width: int
) -> npt.NDArray[np.int64]:
    """Return how many spans of each value are in each slot (values, width).

    `slots` has the slot of each span, -1 for spans that do not count; `codes` (int32, uint32 or int64) the number of
    its value, and `valid` tells which have one (None: all). Codes that are none of the values do not count.
    """
    cells = np.zeros(value_count * width, np.int64)
    _count_slots(slots, codes, _ALL_VALID if valid is None else valid, width, cells)
    return cells.reshape(value_count, width)
