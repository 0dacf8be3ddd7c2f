"""Segments of the write-ahead log: files named `<first sequence number, 20 digits>-<marker, 16 hex digits>.wal`.

The name carries what the frames inside need, so that an empty segment is a sound one and no header can be torn.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.files import Files
from storage.wal_frames import MARKER_BYTES, Damage, Frame, scan

log = logging.getLogger(__name__)

_NAME = re.compile(r"(\d{20})-([0-9a-f]{16})\.wal")


@dataclass(slots=True)
class Segment:
    """One file of frames; what it has beyond `size_bytes` was never acknowledged."""

    path: Path
    first_seq: int  # no frame in it is below
    marker: bytes
    size_bytes: int = 0
    last_seq: int = 0  # of the newest frame; 0 while there is none

    def frames(self, data: bytes) -> Iterator[Frame | Damage]:
        """Yield what stands in its content, of which the caller has read some or all."""
        return scan(data, self.marker, self.first_seq)


def list_segments(files: Files, folder: Path) -> list[Segment]:
    """Return the segments of a folder by rising first number, not yet read."""
    matches = [match for entry in files.entries(folder) if (match := _NAME.fullmatch(entry.name))]
    matches.sort(key=lambda match: match[0])
    return [Segment(folder / match[0], int(match[1]), bytes.fromhex(match[2])) for match in matches]


def new_segment(files: Files, folder: Path, first_seq: int) -> Segment:
    """Make an empty segment whose name is durable. Raises OSError; then there may be an empty file more."""
    marker = secrets.token_bytes(MARKER_BYTES)
    segment = Segment(folder / f"{first_seq:020d}-{marker.hex()}.wal", first_seq, marker)
    files.create(segment.path).close()
    files.sync_folder(folder)
    return segment


def recover(files: Files, segment: Segment) -> int:
    """Find out what a segment holds, and return how many broken runs lie between its frames.

    A torn tail, which a crash in mid-write leaves, is left out of `size_bytes`; nothing of it was acknowledged.
    """
    data = files.read(segment.path)
    segment.size_bytes = len(data)
    broken = 0
    for found in segment.frames(data):
        if isinstance(found, Frame):
            segment.last_seq = found.seq
        elif found.stop < len(data):
            broken += 1
            log.warning(
                "write-ahead log: skipped %d broken bytes at %d of %s, behind record %d",
                found.stop - found.start,
                found.start,
                segment.path,
                segment.last_seq,
            )
        else:
            segment.size_bytes = found.start
            log.warning(
                "write-ahead log: left out a torn tail of %d bytes of %s, behind record %d",
                found.stop - found.start,
                segment.path,
                segment.last_seq,
            )
    return broken
