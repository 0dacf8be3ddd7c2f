"""Between spans and their traces: rows of spans stand trace by trace, `offsets` (traces + 1) cuts them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import I64, OUT_I64, OUT_U8, U8, U64

#: Matches are few where there are not so many spans for each.
_FEW = 16


@njit(types.void(U8, I64, OUT_U8), cache=True, nogil=True)
def _spread(mask, offsets, out):
    for trace in range(mask.size):
        if mask[trace]:
            for span in range(max(offsets[trace], 0), min(offsets[trace + 1], out.size)):
                out[span] = 1


@njit(types.void(U8, I64, OUT_I64), cache=True, nogil=True)
def _count(mask, offsets, out):
    for trace in range(out.size):
        matched = np.int64(0)
        for span in range(max(offsets[trace], 0), min(offsets[trace + 1], mask.size)):
            matched += mask[span]
        out[trace] = matched


@njit(types.void(U8, I64, OUT_I64), cache=True, nogil=True)
def _count_few(mask, offsets, out):
    """Count where few spans match: eight spans at a time are seen not to."""
    words = mask[: mask.size // 8 * 8].view(np.uint64)
    trace = 0
    for first in range(0, mask.size, 8):
        if first + 8 <= mask.size and words[first >> 3] == 0:
            continue
        for span in range(first, min(first + 8, mask.size)):
            if mask[span]:
                while trace < out.size and offsets[trace + 1] <= span:
                    trace += 1
                if trace < out.size and offsets[trace] <= span:
                    out[trace] += 1


@njit(types.int64(U8, I64, I64, types.int64, OUT_I64), cache=True, nogil=True)
def _newest(mask, offsets, starts, limit, out):
    words = mask[: mask.size // 8 * 8].view(np.uint64)
    found = 0
    trace = min(starts.size, offsets.size - 1) - 1
    span = mask.size - 1
    while span >= 0:
        if span & 7 == 7 and words[span >> 3] == 0:
            span -= 8
        elif not mask[span]:
            span -= 1
        else:
            while trace > 0 and offsets[trace] > span:
                trace -= 1
            if trace < 0 or found >= out.size or (found >= limit and starts[trace] < starts[out[limit - 1]]):
                break
            out[found] = trace
            found += 1
            span = min(offsets[trace], span) - 1
            trace -= 1
    return found


@njit(types.int64(U8, U64, types.int64), cache=True, nogil=True)
def _next(mask, words, span):
    """Return the first matching span from `span` on; the size where there is none."""
    while span < mask.size and not mask[span]:
        span += 8 if span & 7 == 0 and span >> 3 < words.size and words[span >> 3] == 0 else 1
    return min(span, mask.size)


@njit(types.int64(U8, U8, I64, OUT_I64), cache=True, nogil=True)
def _with_both(left, right, offsets, out):
    left_words, right_words = left[: left.size // 8 * 8].view(np.uint64), right[: right.size // 8 * 8].view(np.uint64)
    size = min(left.size, right.size)
    found = trace = span = 0
    while True:
        span = _next(left, left_words, span)
        while trace < out.size and offsets[trace + 1] <= span:
            trace += 1
        if span >= size or trace >= out.size:
            return found
        other = _next(right, right_words, max(offsets[trace], 0))
        if other >= size:
            return found
        if other < offsets[trace + 1]:
            out[found] = trace
            found += 1
            trace += 1
        else:  # go on where the right side goes on
            while trace < out.size and offsets[trace + 1] <= other:
                trace += 1
        if trace >= out.size:
            return found
        span = max(span + 1, offsets[trace])


def spread(mask: Mask, offsets: npt.NDArray[np.int64]) -> Mask:
    """Return for each span what `mask` says of its trace."""
    out = np.zeros(int(offsets[-1]), np.uint8)
    _spread(mask, offsets, out)
    return out


def count_matches(mask: Mask, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each trace how many of its spans match."""
    out = np.zeros(len(offsets) - 1, np.int64)
    is_sparse = _FEW * np.count_nonzero(mask.view(np.bool_)) < len(mask)
    (_count_few if is_sparse else _count)(mask, offsets, out)
    return out


def newest_matches(
    mask: Mask, offsets: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], limit: int
) -> npt.NDArray[np.int64]:
    """Return the last traces of which a span matches, last first; traces stand in order of their `starts`.

    There are `limit` (at least 1) where so many match, and more where those before start together with the last.
    """
    out = np.empty(len(starts), np.int64)
    return out[: _newest(mask, offsets, starts, max(limit, 1), out)]


def traces_with_both(left: Mask, right: Mask, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the traces that have spans of both sides, rising."""
    out = np.empty(len(offsets) - 1, np.int64)
    return out[: _with_both(left, right, offsets, out)]
