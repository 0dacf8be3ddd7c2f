"""Taking rows of Arrow columns: bitmaps and dictionary codes."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from storage.kernels.signatures import I32, OUT_I32, OUT_U8, U8, Array, returns


@njit(returns(OUT_U8, types.int64)(U8, types.int64, I32), cache=True, nogil=True)
def gather_bits(bits: Array, offset: int, rows: Array) -> tuple[Array, int]:
    """Return the bits (first one at `offset`) of `rows` as a bitmap, and how many of them are set."""
    count = rows.size
    out = np.zeros((count + 7) // 8, np.uint8)
    total = 0
    for i in range(count):
        at = offset + rows[i]
        bit = (bits[at >> 3] >> (at & 7)) & 1
        out[i >> 3] |= bit << (i & 7)
        total += bit
    return out, total


@njit(OUT_U8(U8, types.int64, types.int64), cache=True, nogil=True)
def unpack_bits(bits: Array, offset: int, count: int) -> Array:
    """Return `count` bits from `offset` on as a byte each, 0 or 1."""
    out = np.empty(count, np.uint8)
    for i in range(count):
        at = offset + i
        out[i] = (bits[at >> 3] >> (at & 7)) & 1
    return out


@njit(returns(OUT_I32, types.boolean)(OUT_I32, U8, types.boolean, types.int64), cache=True, nogil=True)
def compact_codes(codes: Array, bits: Array, all_valid: bool, size: int) -> tuple[Array, bool]:
    """Renumber codes in place by first use; return which codes were used, in that order, and whether all were in range.

    Codes of rows that `bits` says are null become 0.
    """
    renumbered = np.full(size, np.int32(-1))
    used = np.empty(min(size, codes.size), np.int32)
    count = 0
    for i in range(codes.size):
        if not all_valid and (bits[i >> 3] >> (i & 7)) & 1 == 0:
            codes[i] = 0
            continue
        code = codes[i]
        if code < 0 or code >= size:
            return used[:count].copy(), False
        if renumbered[code] < 0:
            renumbered[code] = count
            used[count] = code
            count += 1
        codes[i] = renumbered[code]
    return used[:count].copy(), True
