"""Reading protobuf's wire form: raw loads, varints, UTF-8.

Addresses are absolute and held in int64, as is every number here: Numba makes floats of mixed signs. A reader never
loads a byte at or behind the `end` that it is given. Instead of a pair, readers return one number, which Numba keeps
in a register: a position behind what was read, or one of the negative error codes below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import njit, types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def constants(numbers: Iterable[int]) -> tuple[int, ...]:
    """Return numbers that Numba takes as int64.

    Of a Python number it makes a type of its own, and compiles a function anew for each one that it is called with.
    """
    return tuple(np.int64(number) for number in numbers)  # type: ignore[misc]  # to mypy they are numbers


# Errors of the wire form; `otlp_check` has their texts.
TRUNCATED, OVERFLOW, BAD_WIRE_TYPE, BAD_FIELD_NUMBER, STRAY_END_GROUP, TOO_DEEP, BAD_UTF8 = constants(range(-1, -8, -1))

# Wire types: the low three bits of a tag.
VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = constants(range(6))

LOW_32, LARGEST_LENGTH, FIRST_TAG = constants((0xFFFFFFFF, 0x7FFFFFFF, 1 << 3))
(_HIGH_BITS,) = constants((0x8080808080808080 - (1 << 64),))  # of eight bytes, as int64


def inlined(function: Function) -> Function:
    """Make a function part of the machine code of each kernel that calls it."""
    return cast("Function", njit(forceinline=True, error_model="numpy")(function))


def called(function: Function) -> Function:
    """Make a function that kernels call: rare or large, so that copies of it would only cost compile time.

    Each function is compiled on its own first, with all that it calls, so few layers of them compile faster.
    """
    return cast("Function", njit(forceinline=False, error_model="numpy")(function))


def emitted(generator: Callable[..., Any]) -> Any:
    """Make a function of one that gives its signature and a generator of its LLVM instructions."""
    return intrinsic(generator)


def _loader(bits: int) -> Callable[[int], int]:
    """Return a function that loads an unsigned number of `bits` bits from an address of any alignment."""

    @emitted
    def load(_context, _address):
        def generate(_context, builder, _signature, arguments):
            number = ir.IntType(bits)
            value = builder.load(builder.inttoptr(arguments[0], number.as_pointer()), align=1)
            return value if bits == 64 else builder.zext(value, ir.IntType(64))

        return types.int64(types.int64), generate

    return cast("Callable[[int], int]", load)


def _storer(bits: int) -> Callable[[int, int], None]:
    """Return a function that stores the low `bits` bits of a number at an address of any alignment."""

    @emitted
    def store(_context, _address, _value):
        def generate(_context, builder, _signature, arguments):
            address, value = arguments
            number = ir.IntType(bits)
            value = value if bits == 64 else builder.trunc(value, number)
            builder.store(value, builder.inttoptr(address, number.as_pointer()), align=1)

        return types.void(types.int64, types.int64), generate

    return cast("Callable[[int, int], None]", store)


@emitted
def _stay_apart(_context):
    def generate(_context, builder, _signature, _arguments):
        builder.function.attributes.add("noinline")

    return types.void(), generate


#: Keeps LLVM from copying the function that says so into its callers.
stay_apart: Callable[[], None] = _stay_apart

load_8 = _loader(8)
load_16 = _loader(16)
load_32 = _loader(32)
load_64 = _loader(64)
store_8 = _storer(8)
store_32 = _storer(32)
store_64 = _storer(64)


@called
def _long_u32(at: int, end: int) -> int:
    stay_apart()
    value = 0
    for size in range(5):
        if at + size >= end:
            return TRUNCATED
        byte = load_8(at + size)
        value |= (byte & 0x7F) << (7 * size)
        if byte < 0x80:
            return OVERFLOW if value > LOW_32 else value | (size + 1) << 32
    return OVERFLOW


@inlined
def read_u32(at: int, end: int) -> int:
    """Return a varint of 32 bits (a tag or a length) in the low half and its size in bytes in the high half."""
    if at < end:
        byte = load_8(at)
        if byte < 0x80:
            return byte | 1 << 32
    return _long_u32(at, end)


@called
def _long_varint_end(at: int, end: int) -> int:
    stay_apart()
    for size in range(10):
        if at + size >= end:
            return TRUNCATED
        if load_8(at + size) < 0x80:
            return at + size + 1
    return OVERFLOW


@inlined
def varint_end(at: int, end: int) -> int:
    """Return where a varint of 64 bits ends."""
    if at < end and load_8(at) < 0x80:
        return at + 1
    return _long_varint_end(at, end)


@inlined
def varint(at: int, stop: int) -> int:
    """Return the value of the varint that fills [at, stop)."""
    value = 0
    shift = 0
    while at < stop:
        value |= (load_8(at) & 0x7F) << shift
        shift += 7
        at += 1
    return value


@inlined
def is_ascii(at: int, size: int) -> bool:
    """Return whether no byte of a string is above 127. Words overlap rather than reach beyond its ends."""
    if size >= 8:
        found = load_64(at + size - 8)
        for offset in range(0, size - 8, 8):
            found |= load_64(at + offset)
        return (found & _HIGH_BITS) == 0
    if size >= 4:
        return ((load_32(at) | load_32(at + size - 4)) & 0x80808080) == 0
    found = 0
    for offset in range(size):
        found |= load_8(at + offset)
    return found < 0x80


@inlined
def _is_continued(at: int, low: int, high: int) -> bool:
    return low <= load_8(at) <= high


@called
def is_utf8(at: int, size: int) -> bool:
    """Return whether a string is UTF-8: no overlong form, no surrogate, nothing above U+10FFFF."""
    stay_apart()
    end = at + size
    while at < end:
        byte = load_8(at)
        more = 0 if byte < 0x80 else 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3
        if at + more >= end or 0x80 <= byte < 0xC2 or byte > 0xF4:
            return False
        low = 0xA0 if byte == 0xE0 else 0x90 if byte == 0xF0 else 0x80
        high = 0x9F if byte == 0xED else 0x8F if byte == 0xF4 else 0xBF
        if more >= 1 and not _is_continued(at + 1, low, high):
            return False
        for offset in range(2, more + 1):
            if not _is_continued(at + offset, 0x80, 0xBF):
                return False
        at += 1 + more
    return True


@inlined
def copy(to: int, at: int, size: int) -> None:
    """Copy `size` bytes; words overlap rather than reach beyond the ends."""
    if size >= 8:
        for offset in range(0, size - 8, 8):
            store_64(to + offset, load_64(at + offset))
        store_64(to + size - 8, load_64(at + size - 8))
    else:
        for offset in range(size):
            store_8(to + offset, load_8(at + offset))
