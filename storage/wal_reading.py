"""Write-ahead logs as others read them: without the lock, while their nodes may be at work.

A node lets go of a segment when blocks hold its records, so who reads the logs first and lists the blocks afterwards
misses nothing; records that stand in both are told by the flushed numbers of that list.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from storage.files import POSIX, Files
from storage.wal import WalRecord
from storage.wal_frames import Frame
from storage.wal_segments import Segment, list_segments

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadSegment:
    """Records of one tenant in one file of a node's log, ascending; some, and not all of them acknowledged yet."""

    node: str
    records: tuple[WalRecord, ...]

    def behind(self, flushed: Mapping[str, int]) -> ReadSegment:
        """Return it without the records that a newer list of blocks has."""
        done = flushed.get(self.node, 0)
        return ReadSegment(self.node, tuple(record for record in self.records if record.seq > done))


def read_logs(
    directory: Path, tenant: str, flushed: Mapping[str, int], *, files: Files = POSIX
) -> Iterator[ReadSegment]:
    """Yield what the logs of all nodes in a directory hold of a tenant behind its `flushed` numbers.

    Raises OSError, UnknownFrame.
    """
    for entry in files.entries(directory):
        if entry.is_folder:
            done = flushed.get(entry.name, 0)
            for segment in _behind(list_segments(files, directory / entry.name), done):
                records = tuple(r for r in _records(files, segment) if r.tenant == tenant and r.seq > done)
                yield ReadSegment(entry.name, records)


def _behind(segments: list[Segment], seq: int) -> Iterator[Segment]:
    """Yield the segments that may hold records behind a number: where the next begins is known by its name."""
    for segment, following in pairwise([*segments, None]):
        if segment is not None and (following is None or following.first_seq > seq + 1):
            yield segment


def _records(files: Files, segment: Segment) -> Iterator[WalRecord]:
    try:
        data = files.read(segment.path)
    except FileNotFoundError:  # its records are in blocks by now
        return
    for found in segment.frames(data):
        if isinstance(found, Frame):
            yield WalRecord(found.seq, found.tenant, data[found.body_start : found.stop], found.arrived_ns)
        elif found.stop < len(data):
            log.warning("skipped %d broken bytes at %d of %s", found.stop - found.start, found.start, segment.path)
