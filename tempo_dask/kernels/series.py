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
        types.int64(I64, U8, U32, types.int64, types.int64, types.int64, OUT_I64_2D),
        types.int64(I64, U8, I32, types.int64, types.int64, types.int64, OUT_I64_2D),
    ],
    cache=True,
    nogil=True,
)
def _count_run(times, mask, rows, first, low, high, lanes):
    """Count spans by row in four lanes, as long as four together are in (low, high]; return where that ends.

    Neighbours are often of one row: in lanes of their own they need not wait for each other.
    """
    at, last = first, np.uint32(lanes.shape[1] - 1)
    while at + 4 <= times.size:
        inside = (low < times[at]) & (times[at] <= high) & (low < times[at + 1]) & (times[at + 1] <= high)
        inside &= (low < times[at + 2]) & (times[at + 2] <= high) & (low < times[at + 3]) & (times[at + 3] <= high)
        if not inside:
            break
        lanes[0, min(np.uint32(rows[at]), last)] += mask[at] != 0
        lanes[1, min(np.uint32(rows[at + 1]), last)] += mask[at + 1] != 0
        lanes[2, min(np.uint32(rows[at + 2]), last)] += mask[at + 2] != 0
        lanes[3, min(np.uint32(rows[at + 3]), last)] += mask[at + 3] != 0
        at += 4
    return at


@njit(
    [
        types.void(I64, U8, U32, I32, types.int64, types.int64, types.int64, OUT_I64),
        types.void(I64, U8, I32, I32, types.int64, types.int64, types.int64, OUT_I64),
    ],
    cache=True,
    nogil=True,
)
def _count_cells(times, mask, rows, codes, first, step, count, cells):
    nowhere = cells.size - 1
    last = np.uint32(codes.size - 1)
    low, high, at = np.int64(0), np.int64(-1), np.int64(-1)
    lanes = np.zeros((4, codes.size), np.int64)
    # To empty the lanes takes a while: not more often than after so many spans, whatever the order of times.
    pause, i, tried = np.int64(8 * codes.size + 64), np.int64(0), np.int64(0)
    while i < times.size:
        if not (low < times[i] <= high):
            at, low, high = _step(times[i], first, step, count)
        if i >= tried:
            tried = i + pause
            i = _count_run(times, mask, rows, i, low, high, lanes)
            for row in range(codes.size):
                cell = codes[row] * count + at
                counts = (at >= 0) & (cell >= 0) & (cell < nowhere)
                cells[cell if counts else nowhere] += lanes[:, row].sum()
                lanes[:, row] = 0
            continue
        cell = codes[min(np.uint32(rows[i]), last)] * count + at
        counts = (mask[i] != 0) & (at >= 0) & (cell >= 0) & (cell < nowhere)
        cells[cell if counts else nowhere] += 1
        i += 1


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
