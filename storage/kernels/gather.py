"""Taking rows of Arrow columns: bitmaps and dictionary codes."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from storage.kernels.signatures import I32, OUT_BOOL, OUT_I32, OUT_U8, U8, Array, returns


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


@njit(OUT_BOOL(U8, types.int64, types.int64, types.int64, types.int64), cache=True, nogil=True)
def find_set_stripes(bits: Array, offset: int, count: int, lead: int, stripe_rows: int) -> Array:
    """Return for each stripe of rows whether any of its bits is set, of `count` bits from `offset` on.

    The first bit stands `lead` rows after the beginning of the first stripe.
    """
    out = np.zeros((lead + count + stripe_rows - 1) // stripe_rows, np.bool_)
    row = 0
    for stripe in range(out.size):
        stop = min((stripe + 1) * stripe_rows - lead, count)
        while row < stop:
            at = offset + row
            if at & 7 == 0 and row + 8 <= stop and bits[at >> 3] == 0:
                row += 8
            elif (bits[at >> 3] >> (at & 7)) & 1:
                out[stripe] = True
                row = stop
            else:
                row += 1
    return out


@njit(OUT_I32(I32), cache=True, nogil=True)
def distinct_by_first_use(numbers: Array) -> Array:
    """Return the distinct numbers in order of first use; all must be at least 0."""
    size = int(numbers.max()) + 1 if numbers.size else 0
    seen = np.zeros(size, np.bool_)
    used = np.empty(min(numbers.size, size), np.int32)
    count = 0
    for number in numbers:
        if not seen[number]:
            seen[number] = True
            used[count] = number
            count += 1
    return used[:count]


@njit(
    returns(types.int64, types.int64, types.int64)(I32, U8, types.int64, I32, I32, OUT_I32, OUT_U8, OUT_I32),
    cache=True,
    nogil=True,
)
def gather_codes(
    codes: Array, bits: Array, offset: int, rows: Array, starts: Array, out: Array, bitmap: Array, used: Array
) -> tuple[int, int, int]:
    """Take rows of a dictionary column, its codes renumbered in order of first use.

    `bits` is the validity bitmap, whose first bit is at `offset`, or empty where no value is null; `starts` are
    those of the dictionary's strings. Fills `out` and `bitmap` (a bit per row, all zero before), and `used` with the
    codes that are used. Returns how many of `used` count, how many rows have a value, and how many bytes the used
    strings take; -1 for all where a code or a start is out of range.
    """
    size = starts.size - 1
    renumbered = np.full(size, np.int32(-1))
    values = 0
    valid = 0
    length = 0
    for i in range(rows.size):
        row = rows[i]
        out[i] = 0
        if bits.size:
            at = offset + row
            if (bits[at >> 3] >> (at & 7)) & 1 == 0:
                continue
        valid += 1
        bitmap[i >> 3] |= np.uint8(1 << (i & 7))
        code = codes[row]
        if code < 0 or code >= size:
            return -1, -1, -1
        if renumbered[code] < 0:
            if starts[code + 1] < starts[code]:
                return -1, -1, -1
            renumbered[code] = values
            used[values] = code
            values += 1
            length += starts[code + 1] - starts[code]
        out[i] = renumbered[code]
    return values, valid, length


@njit(types.boolean(I32, U8, I32, OUT_I32, OUT_U8), cache=True, nogil=True)
def gather_strings(starts: Array, text: Array, used: Array, out_starts: Array, out_text: Array) -> bool:
    """Copy the strings `used`, of which `out_text` has the length together; False where one is out of range."""
    at = 0
    out_starts[0] = 0
    for value in range(used.size):
        start = starts[used[value]]
        stop = starts[used[value] + 1]
        size = stop - start
        if start < 0 or size < 0 or stop > text.size or at + size > out_text.size:
            return False
        source, target = np.uint64(start), np.uint64(at)  # unsigned, so that the copy is one of words and not of bytes
        for i in range(np.uint64(size)):
            out_text[target + i] = text[source + i]
        at += size
        out_starts[value + 1] = at
    return True
