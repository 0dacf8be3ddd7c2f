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

Of (right - left - 1) / 2 descendants, so C is B's only one. A span with parent -1 is a root; one with parent
0 has lost its parent and is related to nothing above it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.signatures import I32, I64, OUT_I64

Numbers = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]


@njit(types.void(I32, I32, I64, OUT_I64), cache=True, nogil=True)
def _count_children(lefts, parents, offsets, out):  # type: ignore[no-untyped-def]  # typed by its signature
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


def count_children(lefts: Numbers, parents: Numbers, offsets: Offsets) -> npt.NDArray[np.int64]:
    """Return for each span how many spans name it as parent."""
    out = np.zeros(len(lefts), np.int64)
    _count_children(lefts, parents, offsets, out)
    return out
