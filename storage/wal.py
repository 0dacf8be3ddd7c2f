"""The write-ahead log: requests as they came, on disk before they are acknowledged.

Records of all tenants share one row of sequence numbers, from 1 on, which never repeat: not after a failed write,
not after a restart, not when every record was released (the newest segment's name holds a floor). The log lies in
a folder named after its node, so that records are never replayed under another node's flushed numbers.

What was acknowledged comes back, whatever happened around it. Records of an append that *failed* may be gone, or
some of them may come back after a restart, as if a client had sent them and died before the answer.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from storage.errors import StorageError
from storage.files import POSIX, Files, OpenFile, make_durable_folder
from storage.wal_frames import Frame, encode
from storage.wal_segments import Segment, list_segments, new_segment, recover

log = logging.getLogger(__name__)

SEGMENT_BYTES = 64 << 20


class WalWriteError(StorageError):
    """Records could not be made durable, so they must not be acknowledged; later ones may succeed."""


@dataclass(frozen=True, slots=True)
class WalRecord:
    """One request that the log has taken; `body` is the client's `ExportTraceServiceRequest`."""

    seq: int
    tenant: str
    body: bytes
    arrived_ns: int


class Wal:
    """The log of one node. Its methods may be called from many threads; one process at a time may have it open.

    The caller sees to that one process, by the lock of `storage.data_dir.DataDir`.
    """

    def __init__(
        self,
        directory: Path,
        node: str,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        files: Files = POSIX,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open the log of `node` in `directory`, or make it; a torn tail is cut. Raises OSError."""
        self._folder = directory / node
        self._segment_bytes = segment_bytes
        self._files = files
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False
        make_durable_folder(files, self._folder, directory.parent)
        self._segments = list_segments(files, self._folder)
        self._broken = sum(recover(files, segment) for segment in self._segments)
        self._next_seq = max((max(s.first_seq, s.last_seq + 1) for s in self._segments), default=1)
        if not self._segments:
            self._segments.append(new_segment(files, self._folder, self._next_seq))
        self._file: OpenFile | None = self._open_active()

    def _open_active(self) -> OpenFile:
        file = self._files.append(self._segments[-1].path)
        try:
            file.truncate(self._segments[-1].size_bytes)
            # Also what a killed process wrote without syncing: replay is about to show it to readers.
            file.sync()
            # And its name: who made it may have been killed before that was durable.
            self._files.sync_folder(self._folder)
        except OSError:
            file.close()
            raise
        return file

    @property
    def next_seq(self) -> int:
        """The number that the next record gets, or a lower one."""
        return self._next_seq

    @property
    def broken_frames(self) -> int:
        """How many runs of broken bytes lay between sound frames when the log was opened."""
        return self._broken

    @property
    def segment_count(self) -> int:
        """How many files the log has."""
        return len(self._segments)

    @property
    def size_bytes(self) -> int:
        """How much the log holds on disk."""
        return sum(segment.size_bytes for segment in list(self._segments))

    def append(self, records: Sequence[tuple[str, bytes]], *, arrived_ns: int | None = None) -> range:
        """Make records, each a tenant and a body, durable by one write and one sync; return their numbers.

        Raises WalWriteError where that fails (the disk is full), RecordTooLarge where a record cannot be framed;
        nothing of the group is acknowledged then, and the log goes on with the next group.
        """
        arrived_ns = self._clock() if arrived_ns is None else arrived_ns
        with self._lock:
            seqs = range(self._next_seq, self._next_seq + len(records))
            if not records:
                return seqs
            try:
                segment, file = self._writable()
                frames = [
                    part
                    for seq, (tenant, body) in zip(seqs, records, strict=True)
                    for part in encode(segment.marker, seq, arrived_ns, tenant, body)
                ]
                self._next_seq = seqs.stop
                self._write(segment, file, b"".join(frames))
            except OSError as error:
                msg = f"cannot write {len(records)} requests to the write-ahead log in {self._folder}: {error}"
                raise WalWriteError(msg) from error
            segment.last_seq = seqs[-1]
            return seqs

    def replay(self, after: Mapping[str, int]) -> Iterator[WalRecord]:
        """Return what was acknowledged before this call, in order, behind each tenant's number in `after`.

        These are the flushed numbers of this node. Numbers given out later are above all of them, even where
        the log was lost or is an old copy.
        """
        with self._lock:
            self._next_seq = max(self._next_seq, max(after.values(), default=0) + 1)
            sizes = [(segment, segment.size_bytes) for segment in self._segments]
        return self._replay(sizes, dict(after))

    def _replay(self, sizes: Sequence[tuple[Segment, int]], after: Mapping[str, int]) -> Iterator[WalRecord]:
        for segment, size_bytes in sizes:
            data = self._files.read(segment.path)[:size_bytes]
            for found in segment.frames(data):
                if isinstance(found, Frame) and found.seq > after.get(found.tenant, 0):
                    body = data[found.body_start : found.stop]
                    yield WalRecord(found.seq, found.tenant, body, found.arrived_ns)

    def release(self, flushed: int) -> None:
        """Forget records of all tenants up to that number, which blocks hold durably.

        Whole segments go, so some records stay longer; after a power cut some may be back. Both are below the
        flushed numbers that a replay gets. What cannot be deleted now is logged and stays.
        """
        with self._lock:
            if not self._closed and 0 < self._segments[-1].last_seq <= flushed:
                # Only behind a durable new segment may the newest go: its name keeps numbers from repeating.
                with self._logged("start a new segment"):
                    self._roll()
            gone = [segment for segment in self._segments[:-1] if segment.last_seq <= flushed]
            self._segments = [segment for segment in self._segments if segment not in gone]
        for segment in gone:
            with self._logged(f"remove {segment.path.name}"):
                self._files.unlink(segment.path)

    def roll(self) -> int:
        """Write to a new segment from now on, and return the last number before it. Raises WalWriteError."""
        with self._lock:
            try:
                if self._closed:
                    msg = "it is closed"
                    raise OSError(msg)
                if self._segments[-1].first_seq < self._next_seq:
                    self._roll()
            except OSError as error:
                msg = f"cannot start a new segment of the write-ahead log in {self._folder}: {error}"
                raise WalWriteError(msg) from error
            return self._next_seq - 1

    def may_hold(self, seq: int) -> bool:
        """Return whether a file may hold records up to that number, or may again after a power cut. Raises OSError."""
        self._files.sync_folder(self._folder)
        return any(segment.first_seq <= seq for segment in list_segments(self._files, self._folder))

    def close(self) -> None:
        """Close the log; appends fail from now on."""
        with self._lock:
            self._closed = True
            self._abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _writable(self) -> tuple[Segment, OpenFile]:
        """Return the newest segment, a new one where that is full or had to be abandoned."""
        if self._closed:
            msg = f"the write-ahead log in {self._folder} is closed"
            raise WalWriteError(msg)
        if self._file is None or self._segments[-1].size_bytes >= self._segment_bytes:
            self._roll()
        assert self._file is not None  # noqa: S101  # _roll opened it or raised
        return self._segments[-1], self._file

    def _roll(self) -> None:
        """Start a new segment; after an OSError the old one is still the newest."""
        segment = new_segment(self._files, self._folder, self._next_seq)
        file = self._files.append(segment.path)
        self._abandon()
        self._segments.append(segment)
        self._file = file

    def _write(self, segment: Segment, file: OpenFile, data: bytes) -> None:
        """Append to a segment durably, or cut it back to what it was."""
        try:
            file.write(data)
            file.sync()
        except BaseException:  # also an interrupt: a length we do not know would make a later cut take too much
            try:
                file.truncate(segment.size_bytes)
                file.sync()
            except OSError:
                self._abandon()
            raise
        segment.size_bytes += len(data)

    def _abandon(self) -> None:
        """Close the newest segment; the next append starts another."""
        if self._file is not None:
            with self._logged("close a segment"):
                self._file.close()
        self._file = None

    @contextlib.contextmanager
    def _logged(self, action: str) -> Iterator[None]:
        """Report an OSError of something that can wait."""
        try:
            yield
        except OSError as error:
            log.warning("write-ahead log: cannot %s in %s: %s", action, self._folder, error)
