"""One page of a Parquet column chunk, checked and decompressed."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import zstandard

from storage.kernels.pages import read_page_header

Bytes = npt.NDArray[np.uint8]

DATA_PAGE, DICTIONARY_PAGE = 0, 2
PLAIN, DELTA, SPLIT = 0, 5, 9
DICTIONARY = frozenset({2, 8})

_UNCOMPRESSED, _ZSTD = 0, 6
DecompressionError = zstandard.ZstdError
_NO_BYTES: Bytes = np.zeros(0, np.uint8)


@dataclass(frozen=True, slots=True)
class Page:
    """The bytes of a page, how many values it has (nulls too), and how those are encoded."""

    data: Bytes
    values: int
    encoding: int


def read_page(raw: Bytes, kind: int, codec: int, limit: int) -> Page:
    """Read a page of a kind that has at most `limit` bytes.

    Raises ValueError, DecompressionError where it is damaged.
    """
    behind, found, size, stored, values, encoding, checksum = read_page_header(raw, 0, raw.size).tolist()
    if behind < 0 or found != kind or not 0 <= size <= limit or stored < 0 or stored > raw.size - behind or values < 0:
        msg = "a page's header makes no sense"
        raise ValueError(msg)
    content = raw.data[behind : behind + stored]
    if checksum >= 0 and zlib.crc32(content) != checksum:
        msg = "a page's checksum is wrong"
        raise ValueError(msg)
    return Page(_decompressed(content, codec, size), values, encoding)


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
