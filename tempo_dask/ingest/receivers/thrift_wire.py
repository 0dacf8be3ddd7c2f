"""Thrift on the wire, binary and compact: numbers, strings, and the headers of fields, lists and messages.

A reader never reads past its bytes, and never makes room for what is not there: no list can claim more elements
than bytes are left.
"""

from __future__ import annotations

import struct
from typing import Final, Protocol

from tempo_dask.ingest.records import MalformedRequest

#: Types as the binary protocol numbers them.
STOP, BOOL, BYTE, DOUBLE, I16, I32, I64, STRING, STRUCT, MAP, SET, LIST = 0, 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15
_SIZES: Final = {BYTE: 1, I16: 2, I32: 4, I64: 8}
#: The compact protocol's types by number; 1 and 2 are true and false.
_COMPACT: Final = (STOP, BOOL, BOOL, BYTE, I16, I32, I64, DOUBLE, STRING, LIST, SET, MAP, STRUCT)
_COMPACT_TRUE: Final = 1
_COMPACT_MESSAGE: Final = 0x82
_LONGEST_VARINT: Final = 10
#: How deep values that nobody asked for may be nested.
DEEPEST_SKIPPED: Final = 64


class Reader(Protocol):
    """Reads one protocol, from front to back. Every method raises MalformedRequest where the bytes end or are wrong."""

    def message(self) -> str:
        """Read the header of a message and return its name."""
        ...

    def field(self, last: int) -> tuple[int, int]:
        """Read the header of a field and return its type and number; `last` is the number before it."""
        ...

    def elements(self) -> tuple[int, int]:
        """Read the header of a list or set and return the type of its elements, and how many there are."""
        ...

    def pairs(self) -> tuple[int, int, int]:
        """Read the header of a map and return the types of its keys and values, and how many there are."""
        ...

    def integer(self, kind: int) -> int:
        """Read an integer of a type."""
        ...

    def boolean(self) -> bool:
        """Read a boolean."""
        ...

    def double(self) -> float:
        """Read a floating-point number."""
        ...

    def blob(self) -> bytes:
        """Read a string or binary value."""
        ...


class _Bytes:
    """A place in bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes. Raises MalformedRequest where they are not all there."""
        end = self._at + size
        if size < 0 or end > len(self._data):
            raise MalformedRequest("EOF" if self._at == len(self._data) else "unexpected EOF")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def require_left(self, count: int) -> int:
        """Return how many elements there are. Raises MalformedRequest where there are more than bytes left."""
        if not 0 <= count <= len(self._data) - self._at:
            raise MalformedRequest("unexpected EOF")
        return count


class BinaryReader(_Bytes):
    """The binary protocol: big-endian numbers of fixed size."""

    def message(self) -> str:
        """Read the header of a message, strict or not, and return its name."""
        head = self.integer(I32)
        name = self.blob() if head < 0 else self.take(head)
        if head >= 0:
            self.integer(BYTE)
        self.integer(I32)
        return name.decode(errors="replace")

    def field(self, last: int) -> tuple[int, int]:  # noqa: ARG002  # numbers are absolute here
        """Read the header of a field."""
        kind = self.take(1)[0]
        return (kind, self.integer(I16)) if kind != STOP else (STOP, 0)

    def elements(self) -> tuple[int, int]:
        """Read the header of a list or set."""
        kind = self.take(1)[0]
        return kind, self.require_left(self.integer(I32))

    def pairs(self) -> tuple[int, int, int]:
        """Read the header of a map."""
        key, value = self.take(2)
        return key, value, self.require_left(self.integer(I32))

    def integer(self, kind: int) -> int:
        """Read an integer of a type."""
        return int.from_bytes(self.take(_SIZES[kind]), "big", signed=True)

    def boolean(self) -> bool:
        """Read a boolean."""
        return self.take(1) == b"\x01"

    def double(self) -> float:
        """Read a floating-point number."""
        return float(struct.unpack(">d", self.take(8))[0])

    def blob(self) -> bytes:
        """Read a string or binary value."""
        return self.take(self.integer(I32))


class CompactReader(_Bytes):
    """The compact protocol: numbers of varying size, booleans within the header of their field."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._boolean: bool | None = None

    def message(self) -> str:
        """Read the header of a message and return its name."""
        if self.take(1)[0] != _COMPACT_MESSAGE:
            raise MalformedRequest("expected a message of the compact protocol")
        self.take(1)
        self._varint()
        return self.blob().decode(errors="replace")

    def field(self, last: int) -> tuple[int, int]:
        """Read the header of a field."""
        head = self.take(1)[0]
        kind = _of_compact(head & 15)
        if kind == STOP:
            return STOP, 0
        number = last + (head >> 4) if head >> 4 else self.integer(I16)
        self._boolean = head & 15 == _COMPACT_TRUE if kind == BOOL else None
        return kind, number

    def elements(self) -> tuple[int, int]:
        """Read the header of a list or set."""
        head = self.take(1)[0]
        count = head >> 4 if head >> 4 < 15 else self._varint()
        return _of_compact(head & 15), self.require_left(count)

    def pairs(self) -> tuple[int, int, int]:
        """Read the header of a map."""
        count = self.require_left(self._varint())
        if not count:
            return STOP, STOP, 0
        head = self.take(1)[0]
        return _of_compact(head >> 4), _of_compact(head & 15), count

    def integer(self, kind: int) -> int:
        """Read an integer of a type."""
        if kind == BYTE:
            return int.from_bytes(self.take(1), "big", signed=True)
        number = self._varint()
        value = number >> 1 ^ -(number & 1)
        half = 1 << (8 * _SIZES[kind] - 1)
        return (value + half) % (2 * half) - half

    def boolean(self) -> bool:
        """Return what the field's header said, or read an element."""
        if self._boolean is None:
            return self.take(1)[0] == _COMPACT_TRUE
        value, self._boolean = self._boolean, None
        return value

    def double(self) -> float:
        """Read a floating-point number."""
        return float(struct.unpack("<d", self.take(8))[0])

    def blob(self) -> bytes:
        """Read a string or binary value."""
        return self.take(self._varint())

    def _varint(self) -> int:
        number = 0
        for place in range(_LONGEST_VARINT):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return number & 0xFFFF_FFFF_FFFF_FFFF
        raise MalformedRequest("a number has too many bytes")


def skip(reader: Reader, kind: int, depth: int = 0) -> None:
    """Read over a value that nobody wants. Raises MalformedRequest where it is nested too deep."""
    if depth > DEEPEST_SKIPPED:
        raise MalformedRequest("depth limit exceeded")
    if kind in _SIZES:
        reader.integer(kind)
    elif kind == BOOL:
        reader.boolean()
    elif kind == DOUBLE:
        reader.double()
    elif kind == STRING:
        reader.blob()
    elif kind == STRUCT:
        number = 0
        while True:
            inner, number = reader.field(number)
            if inner == STOP:
                return
            skip(reader, inner, depth + 1)
    elif kind in (LIST, SET):
        inner, count = reader.elements()
        for _ in range(count):
            skip(reader, inner, depth + 1)
    elif kind == MAP:
        key, value, count = reader.pairs()
        for _ in range(count):
            skip(reader, key, depth + 1)
            skip(reader, value, depth + 1)
    else:
        msg = f"Unknown data type {kind}"
        raise MalformedRequest(msg)


def _of_compact(kind: int) -> int:
    if kind >= len(_COMPACT):
        msg = f"Unknown data type {kind}"
        raise MalformedRequest(msg)
    return _COMPACT[kind]
