"""Parquet's encodings of values, picked where they are wanted: plain strings, differences, streams of bytes.

`places` say which values of a page are wanted, -1 for none. Nothing is read outside the data; kernels tell by False
that it is not there or makes no sense.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from storage.kernels.pages import read_varint
from storage.kernels.signatures import I64, OUT_I32, OUT_I64, OUT_U8, U8, Array, returns

_PREFIX = 4
_FEW = 64
_MAX_BLOCK = 1 << 16
_MAX_TEXT = (1 << 31) - 1


@njit(types.boolean(U8, types.int64, types.int64, I64, OUT_U8), cache=True, nogil=True)
def pick_plain(data: Array, at: Any, width: Any, places: Array, out: Array) -> bool:
    """Copy values of `width` bytes each, the first at `at`; zeros for none."""
    count = (data.size - at) // width
    for i in range(places.size):
        place = places[i]
        if place >= count:
            return False
        for k in range(width):
            out[i * width + k] = data[at + place * width + k] if place >= 0 else 0
    return True


@njit(types.boolean(U8, types.int64, types.int64, I64, OUT_U8), cache=True, nogil=True)
def pick_split(data: Array, at: Any, width: Any, places: Array, out: Array) -> bool:
    """Copy values whose first bytes stand together, then their second ones, and so on; zeros for none."""
    count = (data.size - at) // width
    for i in range(places.size):
        place = places[i]
        if place >= count:
            return False
        for k in range(width):
            out[i * width + k] = data[at + k * count + place] if place >= 0 else 0
    return True


@njit(types.boolean(U8, types.int64, I64, OUT_U8), cache=True, nogil=True)
def pick_bits(data: Array, at: Any, places: Array, out: Array) -> bool:
    """Return booleans, a byte each; zeros for none."""
    for i in range(places.size):
        place = places[i]
        if place >= (data.size - at) * 8:
            return False
        out[i] = (data[at + (place >> 3)] >> (place & 7)) & 1 if place >= 0 else 0
    return True


@njit(types.int64(types.int64), cache=True, nogil=True)
def _zigzag(value: Any) -> Any:
    """Return the signed number that an unsigned one stands for."""
    return np.int64(np.uint64(value) >> np.uint64(1)) ^ -(value & 1)


@njit(types.int64(U8, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _bits(data: Array, at: Any, bit: Any, width: Any) -> Any:
    """Return `width` bits (up to 64) that begin `bit` bits behind `at`, which must be there."""
    value = np.uint64(0)
    filled = np.int64(0)
    while filled < width:
        place = bit + filled
        byte = np.uint64(data[at + (place >> 3)]) >> np.uint64(place & 7)
        take = min(8 - (place & 7), width - filled)
        value |= (byte & np.uint64((1 << take) - 1)) << np.uint64(filled)
        filled += take
    return np.int64(value)


@njit(types.boolean(U8, types.int64, I64, OUT_I64), cache=True, nogil=True)
def pick_differences(data: Array, at: Any, places: Array, out: Array) -> bool:
    """Return numbers written as differences (DELTA_BINARY_PACKED); the places ascend but for those of -1, zero."""
    stop = data.size
    block, at = read_varint(data, at, stop)
    parts, at = read_varint(data, at, stop)
    total, at = read_varint(data, at, stop)
    value, at = read_varint(data, at, stop)
    if at < 0 or parts <= 0 or not 0 < block <= _MAX_BLOCK or block % parts or block // parts % 8:
        return False
    value = _zigzag(value)
    length = block // parts
    number = np.int64(0)  # `value` is the number at this place
    widths = part = parts  # the next block begins here
    least = np.int64(0)
    left = np.int64(0)  # numbers left in the part of the block at `at`
    width = np.int64(0)
    taken = np.int64(0)
    for i in range(places.size):
        place = places[i]
        if place < 0:
            out[i] = 0
            continue
        if place >= total or place < number:
            return False
        while number < place:
            if left == 0:
                at += (length * width) >> 3 if number else 0
                if part == parts:
                    least, at = read_varint(data, at, stop)
                    least = _zigzag(least)
                    if at < 0 or parts > stop - at:
                        return False
                    widths = at
                    at += parts
                    part = np.int64(0)
                width = np.int64(data[widths + part])
                if width > 64 or at > stop or (length * width) >> 3 > stop - at:
                    return False
                part += 1
                left = length
                taken = np.int64(0)
            value += least + _bits(data, at, taken * width, width)
            taken += 1
            left -= 1
            number += 1
        out[i] = value
    return True


@njit(types.int64(U8, types.int64, OUT_I64), cache=True, nogil=True)
def _find_strings(data: Array, at: Any, places: Array) -> int:
    """Fill `places` with where strings' lengths stand, the first at `at`, the last entry where they end.

    Returns how many strings were found, fewer than asked for where the data ends.
    """
    for i in range(places.size - 1):
        places[i] = at
        if data.size - at < _PREFIX:
            return i
        size = np.int64(0)
        for k in range(_PREFIX):
            size |= np.int64(data[at + k]) << (8 * k)
        if size > data.size - at - _PREFIX:
            return i
        at += _PREFIX + size
    places[places.size - 1] = at
    return places.size - 1


@njit(types.int64(I64, I64, OUT_I64), cache=True, nogil=True)
def _measure_strings(places: Array, wanted: Array, lengths: Array) -> int:
    """Fill `lengths` with those of the wanted strings (0 for -1); return their sum, -1 where one is not there."""
    total = 0
    for i in range(wanted.size):
        which = wanted[i]
        if which >= places.size - 1:
            return -1
        lengths[i] = places[which + 1] - places[which] - _PREFIX if which >= 0 else 0
        total += lengths[i]
    return total


@njit(types.void(U8, I64, I64, OUT_I32, OUT_U8), cache=True, nogil=True)
def _copy_strings(data: Array, places: Array, wanted: Array, starts: Array, text: Array) -> None:
    """Copy the wanted strings (-1: empty) behind each other; `_measure_strings` has said that they are there."""
    at = 0
    starts[0] = 0
    for i in range(wanted.size):
        if wanted[i] >= 0:
            start = places[wanted[i]] + _PREFIX
            size = max(places[wanted[i] + 1] - start, 0)
            source, target = np.uint64(start), np.uint64(at)  # unsigned, so that words are copied and not bytes
            for k in range(np.uint64(size)):
                text[target + k] = data[source + k]
            at += size
        starts[i + 1] = at


@njit(types.int64(I64, types.int64, OUT_I32, OUT_I64), cache=True, nogil=True)
def _renumber(codes: Array, size: Any, out: Array, used: Array) -> Any:
    """Number codes by first use (-1 becomes 0); fill `used` with them and return how many there are.

    -1 where a code is not below `size`. Few codes are looked for among those before, so that the size costs nothing.
    """
    by_code = np.full(size if codes.size > _FEW else 0, np.int32(-1))
    count = 0
    for i in range(codes.size):
        code = codes[i]
        out[i] = 0
        if code < 0:
            continue
        if code >= size:
            return -1
        place = 0
        if by_code.size:
            place = by_code[code] if by_code[code] >= 0 else count
            by_code[code] = place
        else:
            while place < count and used[place] != code:
                place += 1
        if place == count:
            used[count] = code
            count += 1
        out[i] = place
    return count


@njit(returns(OUT_I32, OUT_U8)(U8, types.int64, I64), cache=True, nogil=True)
def pick_strings(data: Array, at: Any, wanted: Array) -> tuple[Array, Array]:
    """Return the wanted strings (-1: empty) of those that stand one after another from `at` on: starts and text.

    Starts are empty where one is not there, or all are longer than 2 GiB.
    """
    last = wanted.max() if wanted.size else np.int64(-1)
    places = np.empty(min(last, data.size) + 2, np.int64)
    known = _find_strings(data, at, places) == places.size - 1 and last <= data.size
    lengths = np.empty(wanted.size, np.int64)
    size = _measure_strings(places, wanted, lengths) if known else -1
    if size < 0 or size > _MAX_TEXT:
        return np.empty(0, np.int32), np.empty(0, np.uint8)
    starts = np.empty(wanted.size + 1, np.int32)
    text = np.empty(size, np.uint8)
    _copy_strings(data, places, wanted, starts, text)
    return starts, text


@njit(returns(OUT_I32, OUT_U8)(U8, types.int64, I64, OUT_I32), cache=True, nogil=True)
def pick_coded(data: Array, size: Any, codes: Array, out: Array) -> tuple[Array, Array]:
    """Return the strings of a dictionary of `size` that codes (-1: null) use, by first use; `out` numbers them."""
    used = np.empty(codes.size, np.int64)
    count = _renumber(codes, size, out, used)
    if count < 0:
        return np.empty(0, np.int32), np.empty(0, np.uint8)
    return pick_strings(data, 0, used[:count])
