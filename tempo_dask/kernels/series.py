"""Spans to cells of a time series: which step a span falls into, and sums over cells.

Steps are right-closed: step i holds times t with `first + i * step < t <= first + (i + 1) * step`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import I32, I64, OUT_I32, OUT_I64, U8, U32


@njit(types.void(I64, types.int64, types.int64, types.int64, OUT_I32), cache=True, nogil=True)
def _steps(times, first, step, count, out):
    # A product with 1 / step and one correction: a third of the time of an integer division.
    width = np.uint64(step) * np.uint64(count)
    inverse = 1.0 / step
    for i in range(out.size):
        after = np.uint64(times[i]) - np.uint64(first) - np.uint64(1)
        inside = after < width
        after = after if inside else np.uint64(0)
        at = np.int64(np.float64(np.int64(after)) * inverse)
        at -= at * step > np.int64(after)
        at += (at + 1) * step <= np.int64(after)
        out[i] = at if inside else -1


@njit(types.void(I32, U8, I32, types.int64, OUT_I64), cache=True, nogil=True)
def _count_cells(steps, mask, groups, step_count, cells):
    for i in range(steps.size):
        cell = groups[i] * step_count + steps[i]
        if mask[i] & (steps[i] >= 0) & (groups[i] >= 0) & (cell < cells.size):
            cells[cell] += 1


@njit(types.void(I32, U8, OUT_I64), cache=True, nogil=True)
def _count_steps(steps, mask, cells):
    for i in range(steps.size):
        if mask[i] & (steps[i] >= 0) & (steps[i] < cells.size):
            cells[steps[i]] += 1


@njit(
    [types.void(U32, I32, OUT_I32), types.void(I32, I32, OUT_I32), types.void(I64, I32, OUT_I32)],
    cache=True,
    nogil=True,
)
def _take_codes(rows, codes, out):
    for i in range(out.size):
        row = rows[i]
        out[i] = codes[row] if 0 <= row < codes.size else 0


@njit(types.void(I64, I32, U8, OUT_I64, OUT_I64), cache=True, nogil=True)
def _smallest_hashes(numbers, slots, mask, rows, hashes):
    for i in range(slots.size):
        slot = slots[i]
        if mask[i] & (0 <= slot < rows.size):
            # The mixing steps of splitmix64; the result without its lowest bit, so that it is not negative.
            mixed = np.uint64(numbers[i])
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            value = np.int64((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1))
            if value < hashes[slot]:
                hashes[slot] = value
                rows[slot] = i


def take_codes(rows: npt.NDArray[Any], codes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return `codes[row]` for each row (uint32, int32 or int64); 0 for rows outside of the codes."""
    out = np.empty(len(rows), np.int32)
    _take_codes(rows, codes, out)
    return out


def steps_of(times: npt.NDArray[np.int64], first_ns: int, step_ns: int, count: int) -> npt.NDArray[np.int32]:
    """Return the step of each time, -1 outside of `count` steps after `first_ns`."""
    out = np.empty(len(times), np.int32)
    _steps(times, first_ns, step_ns, count, out)
    return out


def count_steps(steps: npt.NDArray[np.int32], mask: Mask, step_count: int) -> npt.NDArray[np.int64]:
    """Return how many matching rows fall into each step."""
    cells = np.zeros(step_count, np.int64)
    _count_steps(steps, mask, cells)
    return cells


def count_cells(
    steps: npt.NDArray[np.int32], mask: Mask, groups: npt.NDArray[np.int32], group_count: int, step_count: int
) -> npt.NDArray[np.int64]:
    """Return how many matching rows fall into each (group, step); rows of group -1 are left out."""
    cells = np.zeros(group_count * step_count, np.int64)
    _count_cells(steps, mask, groups, step_count, cells)
    return cells.reshape(group_count, step_count)


def smallest_hashes(
    numbers: npt.NDArray[np.int64], slots: npt.NDArray[np.int32], mask: Mask, slot_count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for each slot the matching row whose number has the smallest hash (-1 for none), and that hash."""
    rows = np.full(slot_count, -1, np.int64)
    hashes = np.full(slot_count, np.iinfo(np.int64).max, np.int64)
    _smallest_hashes(numbers, slots, mask, rows, hashes)
    return rows, hashes
