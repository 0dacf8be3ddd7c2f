"""Nested-set numbers: the trees of many traces, numbered at once.

All arrays are of spans in traces (`bounds` cuts them), in order of (start, span id) within a trace. A
`parent` is the place of the parent span, `ROOT` for a span without a parent id, `ORPHAN` for a span whose
parent is not in the trace. No trace is deep enough to exhaust a stack: nothing here recurses.

====  ======  =========  ==========  ===========  =============
span  parent  place      nested_left nested_right nested_parent
====  ======  =========  ==========  ===========  =============
a     none    0          1           6            -1
b     a       1          2           3            1
c     a       2          4           5            1
d     lost    3          7           8            0
====  ======  =========  ==========  ===========  =============
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from storage.kernels.group import mix
from storage.kernels.signatures import BOOL, I32, OUT_I32, U64, Array, returns

ROOT = -1
ORPHAN = -2

_SERVER = 2
_CLIENT = 3


@njit(types.int32(types.int32, types.int32, I32, I32), cache=True, nogil=True, inline="always")
def _choose_parent(child: int, head: int, next_same: Array, kinds: Array) -> int:
    """Return which of the spans that share the parent's id is the parent: one, two, or the first of more."""
    second = next_same[head]
    if second < 0 or next_same[second] >= 0:
        return head
    wanted = _CLIENT if kinds[child] == _SERVER else _SERVER
    return second if kinds[head] != wanted and kinds[second] == wanted else head


@njit(OUT_I32(I32, U64, U64, BOOL, I32, types.uint64), cache=True, nogil=True)
def find_parents(
    bounds: Array, span_ids: Array, parent_ids: Array, has_parent: Array, kinds: Array, seed: int
) -> Array:
    """Return the parent of each span.

    Where two spans share the parent's id, a SERVER child hangs under the CLIENT one, any other child under the
    SERVER one; where more do, under the first.
    """
    longest = 0
    for trace in range(bounds.size - 1):
        longest = max(longest, bounds[trace + 1] - bounds[trace])
    size = 4
    while size < 2 * longest:
        size *= 2
    slots = np.empty(size, np.int32)
    next_same = np.full(span_ids.size, np.int32(-1))
    parents = np.empty(span_ids.size, np.int32)
    for trace in range(bounds.size - 1):
        start = bounds[trace]
        stop = bounds[trace + 1]
        size = 4
        while size < 2 * (stop - start):
            size *= 2
        slots[:size] = -1
        for back in range(stop - start):  # backwards, so that the first of equal ids heads its list
            span = stop - 1 - back
            at = np.int64(mix(span_ids[span], np.uint64(0), seed) & np.uint64(size - 1))
            while slots[at] >= 0 and span_ids[slots[at]] != span_ids[span]:
                at = (at + 1) & (size - 1)
            next_same[span] = slots[at]
            slots[at] = span
        for span in range(start, stop):
            parents[span] = ROOT
            if has_parent[span]:
                at = np.int64(mix(parent_ids[span], np.uint64(0), seed) & np.uint64(size - 1))
                while slots[at] >= 0 and span_ids[slots[at]] != parent_ids[span]:
                    at = (at + 1) & (size - 1)
                head = slots[at]
                parents[span] = ORPHAN if head < 0 else _choose_parent(span, head, next_same, kinds)
    return parents


@njit(types.void(OUT_I32), cache=True, nogil=True)
def break_cycles(parents: Array) -> None:
    """Make the first span of every cycle of parents an orphan, in place."""
    seen = np.zeros(parents.size, np.int32)
    for origin in range(parents.size):
        walk = origin + 1
        span = origin
        while span >= 0 and seen[span] == 0:
            seen[span] = walk
            span = parents[span]
        if span >= 0 and seen[span] == walk:
            earliest = span
            other = parents[span]
            while other != span:
                earliest = min(earliest, other)
                other = parents[other]
            parents[earliest] = ORPHAN


@njit(returns(OUT_I32, OUT_I32, OUT_I32, OUT_I32)(I32, I32), cache=True, nogil=True)
def number_nested(bounds: Array, parents: Array) -> tuple[Array, Array, Array, Array]:
    """Return the spans in pre-order and, in that order, their nested left, right and parent numbers.

    `parents` must be free of cycles. Trees follow one another in the order of their roots.
    """
    count = parents.size
    order = np.empty(count, np.int32)
    left = np.empty(count, np.int32)
    right = np.empty(count, np.int32)
    above = np.empty(count, np.int32)
    first_child = np.full(count, np.int32(-1))
    next_sibling = np.full(count, np.int32(-1))
    place = np.empty(count, np.int32)
    at = 0
    for trace in range(bounds.size - 1):
        first_root = np.int32(-1)
        for back in range(bounds[trace + 1] - bounds[trace]):
            span = np.int32(bounds[trace + 1] - 1 - back)
            parent = parents[span]
            if parent < 0:
                next_sibling[span] = first_root
                first_root = span
            else:
                next_sibling[span] = first_child[parent]
                first_child[parent] = span
        number = 1
        span = first_root
        while span >= 0:
            parent = parents[span]
            order[at] = span
            place[span] = at
            left[at] = number
            if parent >= 0:
                above[at] = left[place[parent]]
            else:
                above[at] = -1 if parent == ROOT else 0
            number += 1
            at += 1
            if first_child[span] >= 0:
                span = first_child[span]
                continue
            while span >= 0:
                right[place[span]] = number
                number += 1
                if next_sibling[span] >= 0:
                    span = next_sibling[span]
                    break
                span = parents[span]
    return order, left, right, above
