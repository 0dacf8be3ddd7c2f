"""Counts per value and slot: the slot of a span (step and side) is computed once and used for many attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.signatures import I32, I64, OUT_I64, U32

Slots = npt.NDArray[np.int32]
Codes = npt.NDArray[np.int32]


@njit(
    [types.void(I32, rows, I32, types.int64, OUT_I64) for rows in (U32, I32, I64)],
    cache=True,
    nogil=True,
)
def _count_slots(slots, rows, codes, width, cells):
    nowhere = cells.size - 1
    for i in range(slots.size):
        row = np.int64(rows[i])
        code = np.int64(codes[row]) if 0 <= row < codes.size else np.int64(0)
        cell = code * width + slots[i]
        counts = (slots[i] >= 0) & (cell >= 0) & (cell < nowhere)
        cells[cell if counts else nowhere] += 1


def count_slots(
    slots: Slots, rows: npt.NDArray[Any], codes: Codes, value_count: int, width: int
) -> npt.NDArray[np.int64]:
    """Return how many spans of each value are in each slot (values, width).

    `slots` has the slot of each span, -1 for spans that do not count; the value of a span is `codes[row]` of its row
    (uint32, int32 or int64), 0 for rows outside of the codes.
    """
    cells = np.zeros(value_count * width + 1, np.int64)  # the last one takes what does not count
    _count_slots(slots, rows, codes, width, cells)
    return cells[:-1].reshape(value_count, width)
