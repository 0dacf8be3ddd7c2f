"""A child process that checks and decodes requests where the least access outside a buffer shows.

The requests lie so that they end at a page that cannot be read, and then so that they begin behind one; behind
every output lies a canary. Each line of stdin is a group, its bodies in hex with blanks between; each line of stdout
says "ok" or what went wrong. Reading outside the requests kills the process.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tempo_dask.kernels import (
    otlp_buffers,
    otlp_check,
    otlp_decode,
    otlp_lists,
    otlp_plain,
    otlp_rest,
    otlp_strings,
    otlp_tables,
)
from tempo_dask.kernels.otlp import TEXTS
from tempo_dask.kernels.otlp_check import BAD_SPAN_ID, Group
from tests.otlp_oracle import requests_to_spans, tables_to_spans, verdict

PAGE = mmap.PAGESIZE
CANARY = bytes(range(100, 164))
PROT_NONE = 0


class Guarded:
    """Memory of some pages with one that cannot be read on either side."""

    def __init__(self, pages: int) -> None:
        self.size = pages * PAGE
        self._map = mmap.mmap(-1, self.size + 2 * PAGE)
        self.first = ctypes.addressof(ctypes.c_char.from_buffer(self._map)) + PAGE
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for address in (self.first - PAGE, self.first + self.size):
            if protect(address, PAGE, PROT_NONE) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")

    def place(self, data: bytes, *, at_end: bool) -> np.ndarray[Any, Any]:
        """Return `data` laid at one end of the memory."""
        offset = self.size - len(data) if at_end else 0
        ctypes.memmove(self.first + offset, data, len(data))
        return np.frombuffer(self._map, np.uint8, len(data), PAGE + offset)


class CanaryNumpy:
    """NumPy, but arrays that it makes have a canary behind them."""

    def __init__(self) -> None:
        self._made: list[tuple[np.ndarray[Any, Any], int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any = float) -> np.ndarray[Any, Any]:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        whole = np.full(size + len(CANARY), 0xA5, np.uint8)
        whole[size:] = np.frombuffer(CANARY, np.uint8)
        self._made.append((whole, size))
        return whole[:size].view(dtype).reshape(shape)

    def zeros(self, shape: Any, dtype: Any = float) -> np.ndarray[Any, Any]:
        array = self.empty(shape, dtype)
        array.fill(0)
        return array

    def is_alive(self) -> bool:
        """Return whether no canary was written over; forget the arrays made."""
        alive = all(whole[size:].tobytes() == CANARY for whole, size in self._made)
        self._made.clear()
        return alive


numpy = CanaryNumpy()


class ExactBuffers:
    """Buffers that are never larger than asked for."""

    def take(self, _name: str, size: int) -> np.ndarray[Any, Any]:
        return numpy.empty(int(size), np.int64)


def try_group(bodies: Sequence[bytes], memory: Guarded) -> Iterator[str]:
    """Yield what is wrong with the checking and decoding of a group."""
    expected = [verdict(body) for body in bodies]
    for at_end in (True, False):
        for parts in (bodies, *([body] for body in bodies)):
            yield from try_part(parts, [expected[bodies.index(b)] for b in parts], memory, at_end=at_end)


def try_part(bodies: Sequence[bytes], expected: Sequence[Any], memory: Guarded, *, at_end: bool) -> Iterator[str]:
    found = otlp_check.check_group(placed(bodies, memory, at_end=at_end))
    for body, error, spans, (text, malformed, count) in zip(bodies, found.errors, found.spans, expected, strict=True):
        told = TEXTS.get(error) if text != "malformed" or error >= 0 else "malformed"
        if (told, BAD_SPAN_ID <= error < 0) != (text, malformed) or (not malformed and spans != count):
            yield f"verdict on {body.hex()} is {error}, not {text}"
    good = [body for body, error in zip(bodies, found.errors, strict=True) if error == 0]
    group = placed(good, memory, at_end=at_end)
    tables = otlp_tables.tables(otlp_decode.walk_group(group, otlp_check.check_group(group).counts))
    for table in (tables.spans, tables.resources, tables.scopes, tables.events, tables.links):
        table.validate(full=True)
    if tables_to_spans(tables) != requests_to_spans(good):
        yield f"spans differ of {' '.join(body.hex() for body in good)}"
    if not numpy.is_alive():
        yield f"written behind an output for {' '.join(body.hex() for body in good)}"


def placed(bodies: Sequence[bytes], memory: Guarded, *, at_end: bool) -> Group:
    bounds = np.cumsum([0, *map(len, bodies)])
    return Group(memory.place(b"".join(bodies), at_end=at_end), bounds)


def main() -> None:
    for module in (otlp_check, otlp_decode, otlp_lists, otlp_plain, otlp_rest, otlp_strings, otlp_tables):
        module.np = numpy  # type: ignore[attr-defined]
    otlp_decode._BUFFERS = ExactBuffers()  # type: ignore[assignment]
    otlp_buffers.np = numpy  # type: ignore[attr-defined]
    memory = Guarded(256)
    for line in sys.stdin:
        bodies = [bytes.fromhex(body) for body in line.rstrip("\n").split(" ")]
        print(next(try_group(bodies, memory), "ok"), flush=True)


if __name__ == "__main__":
    main()
