"""Frames of the write-ahead log: how a record stands in a segment, and how segments with damage are read.

A segment is nothing but frames. A frame is a header, the tenant's name and the request's bytes:

==== ======== ===========================================================================
at   type     field (little endian)
==== ======== ===========================================================================
0    8 bytes  marker of the segment, random, from the segment's name
8    u8       kind of body: 1 is an OTLP `ExportTraceServiceRequest`
9    u8       length of the tenant's name
10   u16      0
12   u32      length of the body
16   u64      sequence number
24   i64      arrival, nanoseconds since 1970
32   u32      CRC-32C of the tenant's name and the body
36   u32      CRC-32C of the 36 bytes before
40            tenant (UTF-8), body
==== ======== ===========================================================================

Two checksums, so that a length is believed only after the header proved right. The marker is what a reader looks
for behind damage. It is random because bodies come from strangers: a request that holds bytes like a frame must
not be taken for one when the frame around it breaks, and be given to the tenant it names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import google_crc32c

from storage.errors import StorageError

OTLP_TRACES = 1
HEADER = struct.Struct("<8sBBHIQqI")
CHECKSUM = struct.Struct("<I")
HEADER_BYTES = 40
MARKER_BYTES = 8
MAX_TENANT_BYTES = 255
MAX_BODY_BYTES = 1 << 30


class RecordTooLarge(StorageError):
    """A record does not fit the fields of a frame."""


class UnknownFrame(StorageError):
    """A sound frame of a kind that this version does not know; nothing may be cut or skipped then."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One sound frame; `start`, `body_start` and `stop` are offsets in its segment."""

    seq: int
    tenant: str
    arrived_ns: int
    start: int
    body_start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes [start, stop) of a segment that are no sound frames; up to the end of the segment: a torn tail."""

    start: int
    stop: int


def encode(marker: bytes, seq: int, arrived_ns: int, tenant: str, body: bytes) -> tuple[bytes, bytes, bytes]:
    """Return a frame as header, tenant and body. Raises RecordTooLarge."""
    name = tenant.encode()
    if len(name) > MAX_TENANT_BYTES or len(body) > MAX_BODY_BYTES:
        msg = f"a record of {len(body)} bytes of tenant {tenant[:50]!r} is larger than a frame can be"
        raise RecordTooLarge(msg)
    payload_crc = google_crc32c.extend(google_crc32c.value(name), body)
    header = HEADER.pack(marker, OTLP_TRACES, len(name), 0, len(body), seq, arrived_ns, payload_crc)
    return header + CHECKSUM.pack(google_crc32c.value(header)), name, body


def scan(data: bytes, marker: bytes, floor: int) -> Iterator[Frame | Damage]:
    """Yield what stands in a segment, in order and without a gap.

    Sequence numbers of sound frames rise and are `floor` or more; a frame that breaks this is damage.
    """
    offset = 0
    while offset < len(data):
        frame = _frame_at(data, offset, marker, floor)
        if frame is None:
            frame = _next_frame(data, offset + 1, marker, floor)
            yield Damage(offset, len(data) if frame is None else frame.start)
        if frame is None:
            return
        yield frame
        offset, floor = frame.stop, frame.seq + 1


def _next_frame(data: bytes, offset: int, marker: bytes, floor: int) -> Frame | None:
    """Return the first sound frame at or behind an offset."""
    while (offset := data.find(marker, offset)) >= 0:
        frame = _frame_at(data, offset, marker, floor)
        if frame is not None:
            return frame
        offset += 1
    return None


def _frame_at(data: bytes, start: int, marker: bytes, floor: int) -> Frame | None:
    """Return the frame that starts exactly there, if all of it is sound."""
    header = data[start : start + HEADER_BYTES]
    if len(header) < HEADER_BYTES or not header.startswith(marker):
        return None
    (header_crc,) = CHECKSUM.unpack_from(header, HEADER_BYTES - CHECKSUM.size)
    if google_crc32c.value(header[: -CHECKSUM.size]) != header_crc:
        return None
    _, kind, name_bytes, _, body_bytes, seq, arrived_ns, payload_crc = HEADER.unpack_from(header)
    name_start = start + HEADER_BYTES
    body_start = name_start + name_bytes
    stop = body_start + body_bytes
    if seq < floor or stop > len(data):
        return None
    if google_crc32c.value(data[name_start:stop]) != payload_crc:
        return None
    if kind != OTLP_TRACES:
        msg = f"record {seq} of the write-ahead log is of kind {kind}; a newer version of this software wrote it"
        raise UnknownFrame(msg)
    return Frame(seq, data[name_start:body_start].decode(), arrived_ns, start, body_start, stop)
