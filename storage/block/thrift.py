"""Thrift's compact protocol, as far as a Parquet footer needs it: writing structs of few kinds of fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
STOP = b"\x00"


def varint(value: int) -> bytes:
    """Return an unsigned number."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def i32(step: int, value: int) -> bytes:
    """Return a field of a number that is not negative; `step` is how much its id is above the one before."""
    return bytes((step << 4 | _I32,)) + varint(value << 1)


def i64(step: int, value: int) -> bytes:
    """Return a field of a number that is not negative."""
    return bytes((step << 4 | _I64,)) + varint(value << 1)


def binary(step: int, value: bytes) -> bytes:
    """Return a field of bytes or text."""
    return bytes((step << 4 | _BINARY,)) + varint(len(value)) + value


def struct(step: int, fields: bytes) -> bytes:
    """Return a field of a struct, whose fields are given without the stop."""
    return bytes((step << 4 | _STRUCT,)) + fields + STOP


def i32_list(step: int, values: Iterable[int]) -> bytes:
    """Return a field of numbers that are not negative."""
    return _list(step, _I32, [varint(value << 1) for value in values])


def text_list(step: int, values: Iterable[str]) -> bytes:
    """Return a field of texts."""
    return _list(step, _BINARY, [varint(len(text)) + text for text in map(str.encode, values)])


def struct_list(step: int, values: Sequence[bytes], count: int | None = None) -> bytes:
    """Return a field of structs, given with their stops; `count` is their number where several are given as one."""
    return _list(step, _STRUCT, values, count)


def _list(step: int, kind: int, values: Sequence[bytes], count: int | None = None) -> bytes:
    count = len(values) if count is None else count
    size = bytes((count << 4 | kind,)) if count < 15 else bytes((0xF0 | kind,)) + varint(count)
    return bytes((step << 4 | _LIST,)) + size + b"".join(values)
