"""Compressed bodies, decompressed only as far as a limit: a small body that unpacks to gigabytes is cut short."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import cramjam
import numpy as np
import pyarrow as pa

from tempo_dask.errors import BadRequest

Body: TypeAlias = bytes | memoryview

TOO_LARGE = "http: request body too large"
SNAPPY_FRAMES = b"\xff\x06\x00\x00sNaPpY"
_GZIP = 31  # window bits: a gzip header and trailer around deflate
_ZLIB = 15


def require_known(encoding: str) -> None:
    """Raise BadRequest where bodies of that `Content-Encoding` are not taken ("" is none at all)."""
    if encoding and encoding not in DECODERS:
        msg = f"unsupported Content-Encoding: {encoding}"
        raise BadRequest(msg)


def decompress(encoding: str, body: Body, limit: int) -> bytes:
    """Return the body as it was before a known encoding. Raises BadRequest: damaged, or more than `limit` bytes."""
    return DECODERS[encoding](body, limit) if encoding else bytes(body)


def _inflate(body: Body, limit: int, window_bits: int, format_name: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest: Body = body
    while rest or not parts:  # gzip files may stand one behind the other
        stream = zlib.decompressobj(window_bits)
        try:
            parts.append(stream.decompress(rest, limit + 1 - size))
        except zlib.error as error:
            msg = f"{format_name}: invalid header"
            raise BadRequest(msg) from error
        size += len(parts[-1])
        _require_within(size, limit)
        if not stream.eof:
            msg = "unexpected EOF"
            raise BadRequest(msg)
        rest = stream.unused_data
    return b"".join(parts)


def _gzip(body: Body, limit: int) -> bytes:
    return _inflate(body, limit, _GZIP, "gzip")


def _zlib(body: Body, limit: int) -> bytes:
    return _inflate(body, limit, _ZLIB, "zlib")


def _zstd(body: Body, limit: int) -> bytes:
    if body[:4] != b"\x28\xb5\x2f\xfd" and body[1:4] != b"\x2a\x4d\x18":  # a frame, or one to skip
        msg = "invalid input: magic number mismatch"
        raise BadRequest(msg)
    return _stream(body, limit, "zstd")


def _lz4(body: Body, limit: int) -> bytes:
    return _stream(body, limit, "lz4")


def _stream(body: Body, limit: int, codec: Literal["zstd", "lz4"]) -> bytes:
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), codec) as stream:
            unpacked: bytes = stream.read(limit + 1)
    except (OSError, pa.ArrowException) as error:
        msg = f"{codec}: {error}"
        raise BadRequest(msg) from error
    _require_within(len(unpacked), limit)
    return unpacked


def _snappy(body: Body, limit: int) -> bytes:
    if body[: len(SNAPPY_FRAMES)] == SNAPPY_FRAMES:
        return _snappy_frames(body, limit)
    try:
        _require_within(cramjam.snappy.decompress_raw_len(body), limit)
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise BadRequest(_SNAPPY_CORRUPT) from error


def _snappy_frames(body: Body, limit: int) -> bytes:
    room = np.empty(limit + 1, np.uint8)  # pages that are not written to are never there
    try:
        size = cramjam.snappy.decompress_into(body, room.data)
    except cramjam.DecompressionError as error:
        # The library cannot say which: what would be larger than the room, or what is damaged.
        raise BadRequest(TOO_LARGE if "write whole buffer" in str(error) else _SNAPPY_CORRUPT) from error
    _require_within(size, limit)
    return room[:size].tobytes()


def _require_within(size: int, limit: int) -> None:
    if size > limit:
        raise BadRequest(TOO_LARGE)


_SNAPPY_CORRUPT = "snappy: corrupt input"

DECODERS: Mapping[str, Callable[[Body, int], bytes]] = {
    "gzip": _gzip,
    "zlib": _zlib,
    "deflate": _zlib,
    "zstd": _zstd,
    "lz4": _lz4,
    "snappy": _snappy,
    "x-snappy-framed": _snappy_frames,
}
