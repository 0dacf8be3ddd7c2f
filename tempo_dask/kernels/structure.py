"""Structure by nested-set numbers: spans of a trace stand in pre-order, numbers start at 1 in each trace.

A worked trace (A calls B and D, B calls C): descendants of a span are the rows right behind it.

=== ==== ===== ====== ======
row span left  right  parent
=== ==== ===== ====== ======
0   A    1     8      -1
1   B    2     5      1
2   C    3     4      2
3   D    6     7      1
=== ==== ===== ====== ======

A span lies below another where its left number lies between the other's two. A span with parent -1 is a root;
one with parent 0 has lost its parent and is related to nothing above or beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import I32, I64, OUT_I64, OUT_U8, U8

Numbers = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

_ROOT = -1


@njit(types.void(I32, I32, I64, OUT_I64), cache=True, nogil=True)
def _count_children(lefts, parents, offsets, out):
    row_of = np.zeros(2 * lefts.size + 2, np.int64)  # by nested_left, of the trace at hand
    for trace in range(offsets.size - 1):
        first, stop = max(offsets[trace], 0), min(offsets[trace + 1], out.size)
        for row in range(first, stop):
            if 0 < lefts[row] < row_of.size:
                row_of[lefts[row]] = row
        for row in range(first, stop):
            parent = parents[row]
            if 0 < parent < row_of.size and first <= row_of[parent] < stop and lefts[row_of[parent]] == parent:
                out[row_of[parent]] += 1


@njit(types.UniTuple(types.int64, 2)(types.int64, I64, types.int64), cache=True, nogil=True)
def _rows_of(trace, offsets, size):
    if not 0 <= trace < offsets.size - 1:
        return np.int64(0), np.int64(0)
    return max(offsets[trace], 0), min(offsets[trace + 1], size)


@njit(types.void(U8, I32, I32, I64, I64, OUT_U8), cache=True, nogil=True)
def _below(mask, lefts, rights, offsets, traces, out):
    for trace in traces:
        first, stop = _rows_of(trace, offsets, out.size)
        reach = np.int32(0)  # how far the matching spans so far reach
        for row in range(first, stop):
            out[row] = lefts[row] < reach
            reach = max(reach, rights[row] * np.int32(mask[row]))


@njit(types.void(U8, I32, I32, I64, I64, OUT_U8), cache=True, nogil=True)
def _above(mask, lefts, rights, offsets, traces, out):
    for trace in traces:
        first, stop = _rows_of(trace, offsets, out.size)
        nearest = np.int32(0x7FFFFFFF)  # left number of the nearest matching span behind
        for row in range(stop - 1, first - 1, -1):
            out[row] = nearest < rights[row]
            nearest = lefts[row] if mask[row] else nearest


@njit(types.void(U8, I32, I32, I64, I64, OUT_U8), cache=True, nogil=True)
def _marked(mask, marks, looks, offsets, traces, out):
    """Mark the number in `marks` of each matching span, then look for marks at the number in `looks`."""
    marked = np.zeros(2 * mask.size + 2, np.uint8)
    for trace in traces:
        first, stop = _rows_of(trace, offsets, out.size)
        marked[: min(2 * (stop - first) + 2, marked.size)] = 0
        for row in range(first, stop):
            if 0 < marks[row] < marked.size:
                marked[marks[row]] |= mask[row]
        for row in range(first, stop):
            out[row] = marked[looks[row]] if 0 < looks[row] < marked.size else 0


@njit(types.void(U8, I32, I64, I64, OUT_U8), cache=True, nogil=True)
def _beside(mask, parents, offsets, traces, out):
    counts = np.zeros(2 * mask.size + 2, np.int32)  # matching children by their parent's number, of roots at 0
    for trace in traces:
        first, stop = _rows_of(trace, offsets, out.size)
        counts[: min(2 * (stop - first) + 2, counts.size)] = 0
        for row in range(first, stop):
            at = 0 if parents[row] == _ROOT else parents[row]
            if parents[row] != 0 and 0 <= at < counts.size:
                counts[at] += mask[row]
        for row in range(first, stop):
            at = 0 if parents[row] == _ROOT else parents[row]
            out[row] = counts[at] > mask[row] if parents[row] != 0 and 0 <= at < counts.size else 0


def count_children(lefts: Numbers, parents: Numbers, offsets: Offsets) -> npt.NDArray[np.int64]:
    """Return for each span how many spans name it as parent."""
    out = np.zeros(len(lefts), np.int64)
    _count_children(lefts, parents, offsets, out)
    return out


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees of the traces of a unit: nested-set numbers per span, and where each trace begins.

    Only spans of `traces` are looked at: all others are related to nothing.
    """

    lefts: Numbers
    rights: Numbers
    parents: Numbers
    offsets: Offsets
    traces: Offsets

    def descendants(self, mask: Mask) -> Mask:
        """Return the spans that lie below a matching one."""
        out = np.zeros(len(mask), np.uint8)
        _below(mask, self.lefts, self.rights, self.offsets, self.traces, out)
        return out

    def ancestors(self, mask: Mask) -> Mask:
        """Return the spans that lie above a matching one."""
        out = np.zeros(len(mask), np.uint8)
        _above(mask, self.lefts, self.rights, self.offsets, self.traces, out)
        return out

    def children(self, mask: Mask) -> Mask:
        """Return the spans whose parent matches."""
        out = np.zeros(len(mask), np.uint8)
        _marked(mask, self.lefts, self.parents, self.offsets, self.traces, out)
        return out

    def parents_of(self, mask: Mask) -> Mask:
        """Return the spans one of whose children matches."""
        out = np.zeros(len(mask), np.uint8)
        _marked(mask, self.parents, self.lefts, self.offsets, self.traces, out)
        return out

    def siblings(self, mask: Mask) -> Mask:
        """Return the spans that share their parent with another span that matches; roots are siblings."""
        out = np.zeros(len(mask), np.uint8)
        _beside(mask, self.parents, self.offsets, self.traces, out)
        return out
