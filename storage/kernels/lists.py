"""Lists in wire form (AnyValue of OTLP) to their elements, where they are written as everybody writes them."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from storage.kernels.signatures import I32, OUT_I32, OUT_I64, OUT_U8, U8, Array, returns

#: What a value is: no list of one type, or a list of texts, booleans, integers or floats.
NO_LIST, TEXTS, BOOLEANS, INTEGERS, FLOATS = range(5)
#: Written in some other way that a whole decoder has to look at.
ODD = 255
_OTHER = 9

_LIST, _MAP, _BYTES = 0x2A, 0x32, 0x3A
_TEXT, _BOOLEAN, _INTEGER, _FLOAT = 0x0A, 0x10, 0x18, 0x21


@njit(returns(types.int64, types.int64)(U8, types.int64, types.int64), cache=True, nogil=True)
def _varint(data: Array, at: int, stop: int) -> tuple[int, int]:
    """Return a number and where it ends; -1 where it does not end before `stop`."""
    number = np.uint64(0)
    shift = np.uint64(0)
    while at < stop and shift < 64:
        byte = data[at]
        number |= np.uint64(byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return int(number), at
        shift += np.uint64(7)
    return 0, -1


@njit(returns(types.int64, types.int64)(U8, types.int64, types.int64), cache=True, nogil=True)
def _sized(data: Array, at: int, stop: int) -> tuple[int, int]:
    """Return where a field whose length comes first begins and ends; -1 where it does not lie before `stop`."""
    length, first = _varint(data, at, stop)
    if first < 0 or length < 0 or length > stop - first:
        return -1, -1
    return first, first + length


@njit(returns(types.int64, types.int64, types.int64)(U8, types.int64, types.int64), cache=True, nogil=True)
def _element(data: Array, first: int, stop: int) -> tuple[int, int, int]:
    """Return what an element is, and its value: a number's bits, or where a text begins and ends."""
    if first == stop:
        return _OTHER, 0, 0
    tag = data[first]
    if tag in (_TEXT, _LIST, _MAP, _BYTES):
        begin, end = _sized(data, first + 1, stop)
        kind = TEXTS if tag == _TEXT else _OTHER
        return kind if end == stop else ODD, begin, end
    if tag in (_BOOLEAN, _INTEGER):
        number, end = _varint(data, first + 1, stop)
        kind = BOOLEANS if tag == _BOOLEAN else INTEGERS
        return kind if end == stop else ODD, number, 0
    if tag == _FLOAT and stop - first == 9:
        bits = np.uint64(0)
        for byte in range(8):
            bits |= np.uint64(data[first + 1 + byte]) << np.uint64(8 * byte)
        return FLOATS, int(bits), 0
    return ODD, 0, 0


@njit(returns(types.int64, types.int64)(U8, types.int64, types.int64), cache=True, nogil=True)
def _list(data: Array, first: int, stop: int) -> tuple[int, int]:
    """Return of what type the elements of a list are, and how many there are."""
    kind, count = NO_LIST, 0
    while first < stop:
        begin, end = _sized(data, first + 1, stop)
        if data[first] != _TEXT or end < 0:  # a list's elements have the number that a text has elsewhere
            return ODD, 0
        found = _element(data, begin, end)[0]
        if found == ODD:
            return ODD, 0
        kind = found if count == 0 or kind == found else _OTHER
        count += 1
        first = end
    return (NO_LIST, 0) if kind == _OTHER else (kind, count)


@njit(types.void(U8, I32, OUT_U8, OUT_I32), cache=True, nogil=True)
def kinds_of_lists(data: Array, offsets: Array, kinds: Array, counts: Array) -> None:
    """Tell what each value (bytes from `offsets[i]` to `offsets[i + 1]`) is, and how many elements it has."""
    for i in range(kinds.size):
        first, stop = int(offsets[i]), int(offsets[i + 1])
        kinds[i], counts[i] = NO_LIST, 0
        if first < 0 or stop > data.size or first >= stop:
            continue
        begin, end = _sized(data, first + 1, stop)
        tag = data[first]
        if end != stop or (tag != _LIST and tag != _MAP and tag != _BYTES):
            kinds[i] = ODD
        elif tag == _LIST:
            kind, count = _list(data, begin, end)
            kinds[i], counts[i] = kind, count


@njit(types.void(U8, I32, U8, types.int64, OUT_I64, OUT_I64), cache=True, nogil=True)
def elements_of_lists(data: Array, offsets: Array, kinds: Array, kind: int, firsts: Array, stops: Array) -> None:
    """Take the elements of lists of one kind, as `kinds_of_lists` found and counted them: see `_element`."""
    at = 0
    for i in range(kinds.size):
        if kinds[i] != kind:
            continue
        first, stop = _sized(data, int(offsets[i]) + 1, int(offsets[i + 1]))
        while 0 <= first < stop and at < firsts.size:
            begin, first = _sized(data, first + 1, stop)
            if first >= 0:
                _, firsts[at], stops[at] = _element(data, begin, first)
                at += 1
