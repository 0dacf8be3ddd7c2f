"""Pages of Parquet column chunks, checked and decompressed."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import zstandard

from storage.kernels.pages import (
    BEHIND,
    CRC,
    PAGE_ENCODING,
    PAGE_STORED,
    PAGE_TYPE,
    PAGE_UNCOMPRESSED,
    PAGE_VALUES,
    read_page_headers,
)

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

PLAIN, DELTA, SPLIT = 0, 5, 9
DICTIONARY = frozenset({2, 8})
DecompressionError = zstandard.ZstdError

_UNCOMPRESSED, _ZSTD = 0, 6
_MAX_VALUES = 1 << 31
_NO_BYTES: Bytes = np.zeros(0, np.uint8)


@dataclass(frozen=True, slots=True)
class Page:
    """The bytes of a page, how many values it has (nulls too), and how those are encoded."""

    data: Bytes
    values: int
    encoding: int


class StoredPages:
    """Pages as a file has them, by their number in a list of their places."""

    def __init__(self, data: Bytes, places: Places) -> None:
        """Take bytes and the (pages, 2) places of the pages in them, each a start and a stop."""
        self._data = data.data
        self._places: Sequence[Sequence[int]] = places.tolist()
        self._headers: Sequence[Sequence[int]] = read_page_headers(data, places).tolist()

    def __contains__(self, number: int) -> bool:
        start, stop = self._places[number]
        return start < stop

    def read(self, number: int, kind: int, codec: int, limit: int) -> Page:
        """Return a page of a kind that has at most `limit` bytes.

        Raises ValueError, DecompressionError where it is damaged.
        """
        header = self._headers[number]
        behind, size, stored, values = (
            header[BEHIND],
            header[PAGE_UNCOMPRESSED],
            header[PAGE_STORED],
            header[PAGE_VALUES],
        )
        stop = behind + stored
        if behind < 0 or header[PAGE_TYPE] != kind or not 0 <= values < _MAX_VALUES:
            msg = "a page's header makes no sense"
            raise ValueError(msg)
        if not 0 <= size <= limit or stored < 0 or stop > self._places[number][1]:
            msg = "a page is longer than it may be"
            raise ValueError(msg)
        content = self._data[behind:stop]
        if header[CRC] >= 0 and zlib.crc32(content) != header[CRC]:
            msg = "a page's checksum is wrong"
            raise ValueError(msg)
        return Page(_decompressed(content, codec, size), values, header[PAGE_ENCODING])


def _decompressed(content: memoryview[int], codec: int, size: int) -> Bytes:
    if codec == _UNCOMPRESSED:
        return np.frombuffer(content, np.uint8)
    if codec != _ZSTD:
        msg = f"pages are compressed in a way of number {codec}, expected zstd"
        raise ValueError(msg)
    if zstandard.frame_content_size(content) != size:
        msg = "a page is not as long as its header says"
        raise ValueError(msg)
    return np.frombuffer(_decompressor().decompress(content), np.uint8) if size else _NO_BYTES


_of_thread = threading.local()


def _decompressor() -> zstandard.ZstdDecompressor:
    """Return the thread's own: making one takes longer than a small page."""
    try:
        found: zstandard.ZstdDecompressor = _of_thread.decompressor
    except AttributeError:
        found = _of_thread.decompressor = zstandard.ZstdDecompressor()
    return found
