"""Spans to cells of a time series: which step a span falls into, and counts per group and step.

Steps are right-closed: step i holds times t with `first + i * step < t <= first + (i + 1) * step`. Traces stand in
order of their start, so a span mostly falls into the step of the one before it: the edges of that step are tried
first, and a division is needed only where they do not hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import I32, I64, OUT_I32, OUT_I64, OUT_I64_2D, U8, U32

Times = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

#: Spans that are looked at together.
_BLOCK = 16

_LEAST, _MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@njit(types.UniTuple(types.int64, 3)(types.int64, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _step(time, first, step, count):
    """Return the step of a time, -1 outside, and the times (low, high] for which it is the same."""
    end = first + step * count
    if time <= first:
        return np.int64(-1), _LEAST, first
    if time > end:
        return np.int64(-1), end, _MOST
    at = (time - first - 1) // step
    return at, first + at * step, first + (at + 1) * step


@njit(types.void(I64, types.int64, types.int64, types.int64, OUT_I32), cache=True, nogil=True)
def _steps(times, first, step, count, out):
    low, high, at = np.int64(0), np.int64(-1), np.int64(-1)
    for i in range(out.size):
        if not (low < times[i] <= high):
            at, low, high = _step(times[i], first, step, count)
        out[i] = at


@njit(
    [
        types.void(I64, U32, I32, types.int64, types.int64, types.int64, OUT_I64),
        types.void(I64, I32, I32, types.int64, types.int64, types.int64, OUT_I64),
    ],
    cache=True,
    nogil=True,
)
def _cells(times, rows, codes, first, step, count, out):
    low, high, at = np.int64(0), np.int64(-1), np.int64(-1)
    for i in range(out.size):
        if not (low < times[i] <= high):
            at, low, high = _step(times[i], first, step, count)
        row = np.int64(rows[i])
        code = np.int64(codes[row]) if 0 <= row < codes.size else np.int64(0)
        out[i] = code * count + at if at >= 0 else np.int64(-1)


@njit(types.boolean(I64, types.int64, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _are_inside(times, first, stop, low, high):
    while first < stop and low < times[first] <= high:
        first += 1
    return first == stop


@njit(
    [
        types.int64(I64, U8, U32, types.int64, types.int64, types.int64, OUT_I64_2D),
        types.int64(I64, U8, I32, types.int64, types.int64, types.int64, OUT_I64_2D),
    ],
    cache=True,
    nogil=True,
)
def _count_run(times, mask, rows, first, low, high, lanes):
    """Count spans by row in four lanes, as long as a block of them is in (low, high]; return where that ends.

    Neighbours are often of one row: in lanes of their own they need not wait for each other.
    """
    at, last = np.uint64(first), np.uint32(lanes.shape[1] - 1)
    while at + _BLOCK <= times.size:
        outside = np.int64(0)
        for i in range(_BLOCK):
            time = times[at + np.uint64(i)]
            outside |= np.int64(time <= low) | np.int64(time > high)
        if outside != 0:
            break
        for _ in range(_BLOCK // 4):
            second, third, fourth = at + np.uint64(1), at + np.uint64(2), at + np.uint64(3)
            lanes[0, min(np.uint32(rows[at]), last)] += mask[at] != 0
            lanes[1, min(np.uint32(rows[second]), last)] += mask[second] != 0
            lanes[2, min(np.uint32(rows[third]), last)] += mask[third] != 0
            lanes[3, min(np.uint32(rows[fourth]), last)] += mask[fourth] != 0
            at += np.uint64(4)
    return np.int64(at)


@njit(types.void(OUT_I64_2D, I32, types.int64, types.int64, OUT_I64), cache=True, nogil=True)
def _empty_lanes(lanes, codes, at, count, cells):
    """Add what the lanes counted in step `at` to the cells."""
    nowhere = cells.size - 1
    for row in range(codes.size):
        cell = codes[row] * count + at
        counts = (at >= 0) & (cell >= 0) & (cell < nowhere)
        cells[cell if counts else nowhere] += lanes[0, row] + lanes[1, row] + lanes[2, row] + lanes[3, row]
        for lane in range(4):
            lanes[lane, row] = 0


@njit(
    [
        types.void(I64, U8, U32, I32, types.int64, types.int64, types.int64, OUT_I64),
        types.void(I64, U8, I32, I32, types.int64, types.int64, types.int64, OUT_I64),
    ],
    cache=True,
    nogil=True,
)
def _count_cells(times, mask, rows, codes, first, step, count, cells):
    nowhere, last = cells.size - 1, np.uint32(codes.size - 1)
    lanes = np.zeros((4, codes.size), np.int64)
    low, high, at = np.int64(0), np.int64(-1), np.int64(-1)
    lanes_low, lanes_high, lanes_at = low, high, at
    i, may_move = np.int64(0), np.int64(0)
    while i < times.size:
        i = _count_run(times, mask, rows, i, lanes_low, lanes_high, lanes)
        stop = min(i + _BLOCK, times.size)
        if i >= may_move and _are_inside(times, i, stop, low, high):
            _empty_lanes(lanes, codes, lanes_at, count, cells)
            lanes_low, lanes_high, lanes_at = low, high, at
            # To empty the lanes takes a while: not more often than after so many spans, whatever the order of times.
            may_move = i + 2 * codes.size
            continue
        for k in range(i, stop):
            if not (low < times[k] <= high):
                at, low, high = _step(times[k], first, step, count)
            cell = codes[min(np.uint32(rows[k]), last)] * count + at
            counts = (mask[k] != 0) & (at >= 0) & (cell >= 0) & (cell < nowhere)
            cells[cell if counts else nowhere] += 1
        i = stop
    _empty_lanes(lanes, codes, lanes_at, count, cells)


@njit(types.void(I64, U8, types.int64, types.int64, OUT_I64, OUT_I64), cache=True, nogil=True)
def _smallest_hashes(times, mask, first, step, rows, hashes):
    low, high, slot, best = np.int64(0), np.int64(-1), np.int64(-1), np.int64(-1)
    for i in range(times.size):
        if not (low < times[i] <= high):
            slot, low, high = _step(times[i], first, step, rows.size)
            best = hashes[slot] if slot >= 0 else np.int64(-1)
        mixed = np.int64((np.uint64(times[i]) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(1))
        if (mixed < best) & (mask[i] != 0):
            best = mixed
            hashes[slot] = mixed
            rows[slot] = i


@njit(
    [types.void(U32, I32, OUT_I32), types.void(I32, I32, OUT_I32), types.void(I64, I32, OUT_I32)],
    cache=True,
    nogil=True,
)
def _take_codes(rows, codes, out):
    for i in range(out.size):
        row = rows[i]
        out[i] = codes[row] if 0 <= row < codes.size else 0


def take_codes(rows: npt.NDArray[Any], codes: Codes) -> Codes:
    """Return `codes[row]` for each row (uint32, int32 or int64); 0 for rows outside of the codes."""
    out = np.empty(len(rows), np.int32)
    _take_codes(rows, codes, out)
    return out


def steps_of(times: Times, first_ns: int, step_ns: int, count: int) -> Codes:
    """Return the step of each time, -1 outside of `count` steps after `first_ns`."""
    out = np.empty(len(times), np.int32)
    _steps(times, first_ns, step_ns, count, out)
    return out


def cells_of(times: Times, rows: npt.NDArray[Any], codes: Codes, steps: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    """Return the cell of each time, `group * steps + step`, -1 outside of the steps; arguments as of `count_cells`."""
    out = np.empty(len(times), np.int64)
    _cells(times, rows, codes, *steps, out)
    return out


def count_cells(
    times: Times,
    mask: Mask,
    rows: npt.NDArray[Any],
    codes: Codes,
    group_count: int,
    steps: tuple[int, int, int],
) -> npt.NDArray[np.int64]:
    """Return how many matching spans fall into each (group, step).

    The group of a span is `codes[row]` of its row (uint32 or int32); `steps` are the first time, the length of a
    step, and how many there are.
    """
    first_ns, step_ns, step_count = steps
    cells = np.zeros(group_count * step_count + 1, np.int64)  # the last one takes what does not count
    if len(codes):
        _count_cells(times, mask, rows, codes, first_ns, step_ns, step_count, cells)
    return cells[:-1].reshape(group_count, step_count)


def smallest_hashes(
    times: Times, mask: Mask, first_ns: int, slot_ns: int, slot_count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for each slot of time the matching span whose start has the smallest hash (-1 for none), and that hash."""
    rows = np.full(slot_count, -1, np.int64)
    hashes = np.full(slot_count, np.iinfo(np.int64).max, np.int64)
    _smallest_hashes(times, mask, first_ns, slot_ns, rows, hashes)
    return rows, hashes
