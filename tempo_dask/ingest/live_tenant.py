"""The live spans of one tenant: what waits to be decoded, and the chunks made of it. Plain state, no locks.

The records of a tenant carry ascending numbers, and four marks run along them:

    dropped <= flushed <= closed <= decoded <= accepted

Chunks hold the records in (dropped, decoded], each a closed range of them, in order. Those in (dropped, flushed]
lie in blocks too, and stay for readers whose block list is older. Those in (flushed, closed] are being written to
a block: they are merged with nothing any more, so `flushed` always falls between two chunks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from storage.chunk import Chunk
from tempo_dask.ingest.records import Record


class BlockListTooOld(Exception):
    """A reader holds a block list from before chunks were dropped; it must take a newer one and ask again."""


@dataclass(slots=True)
class TenantLive:
    """State of one tenant; `LiveStore` holds the lock."""

    waiting: deque[Record] = field(default_factory=deque)
    waiting_spans: int = 0
    taken_from: int | None = None  # first record of the batch that is being decoded
    chunks: tuple[Chunk, ...] = ()
    accepted: int = 0
    decoded: int = 0
    closed: int = 0
    flushed: int = 0
    dropped: int = 0
    opened_s: float | None = None  # when the first record that lies in no block came in, at the latest
    closed_s: float = 0.0  # when a range was last closed
    _retired: deque[tuple[int, float]] = field(default_factory=deque)
    _watchers: list[tuple[int, Future[None]]] = field(default_factory=list)

    @property
    def is_watched(self) -> bool:
        """Whether a query waits for the decoding of what is here."""
        return bool(self._watchers)

    @property
    def unflushed(self) -> tuple[Chunk, ...]:
        """Chunks that lie in no block yet."""
        return self.after(self.flushed)

    @property
    def open_chunks(self) -> tuple[Chunk, ...]:
        """Chunks that may still be merged with their neighbours."""
        return tuple(chunk for chunk in self.chunks if chunk.first_seq > self.closed)

    def accept(self, record: Record, now_s: float) -> None:
        """Add a record behind all others."""
        if record.seq <= self.accepted:
            msg = f"record {record.seq} of {record.tenant} comes after record {self.accepted}"
            raise ValueError(msg)
        self.waiting.append(record)
        self.waiting_spans += record.spans
        self.accepted = record.seq
        if self.opened_s is None:
            self.opened_s = now_s

    def take(self, spans: int) -> list[Record]:
        """Take records to decode, until `spans` spans are reached or nothing waits."""
        batch: list[Record] = []
        count = 0
        while self.waiting and count < spans:
            batch.append(self.waiting.popleft())
            count += batch[-1].spans
        self.waiting_spans -= count
        self.taken_from = batch[0].seq if batch else None
        return batch

    def add(self, chunk: Chunk | None, through: int) -> list[Future[None]]:
        """Add the chunk made of a taken batch that ended at record `through`; return the watchers it satisfies."""
        self.taken_from = None
        self.decoded = through
        if chunk is not None:
            self.chunks = (*self.chunks, chunk)
        ready = [future for seq, future in self._watchers if seq <= through]
        self._watchers = [(seq, future) for seq, future in self._watchers if seq > through]
        return ready

    def watch(self) -> Future[None]:
        """Return a future that is done when all records accepted by now are in chunks."""
        future: Future[None] = Future()
        if self.decoded >= self.accepted:
            future.set_result(None)
        else:
            self._watchers.append((self.accepted, future))
        return future

    def replace(self, run: Sequence[Chunk], merged: Chunk) -> bool:
        """Put `merged` in the place of the neighbours it was made of; False where a flush came first."""
        if run[0].first_seq <= self.closed:
            return False
        at = self.chunks.index(run[0])
        self.chunks = (*self.chunks[:at], merged, *self.chunks[at + len(run) :])
        return True

    def close(self, now_s: float) -> tuple[Chunk, ...]:
        """Close the range of all unflushed chunks for a block and return them."""
        chunks = self.unflushed
        if chunks:
            self.closed = chunks[-1].last_seq
            self.closed_s = now_s
        return chunks

    def retire(self, through: int, now_s: float) -> None:
        """Note that a block holds every record up to `through`."""
        if through > self.flushed:
            self.flushed = through
            self.closed = max(self.closed, through)
            self.opened_s = self.closed_s if self.accepted > through else None
            self._retired.append((through, now_s))

    def drop(self, before_s: float) -> Sequence[Chunk]:
        """Drop chunks that were retired before that time, and return them."""
        through = self.dropped
        while self._retired and self._retired[0][1] < before_s:
            through, _ = self._retired.popleft()
        if through == self.dropped:
            return ()
        dropped = [chunk for chunk in self.chunks if chunk.last_seq <= through]
        self.chunks = tuple(chunk for chunk in self.chunks if chunk.last_seq > through)
        self.dropped = through
        return dropped

    def after(self, seq: int) -> tuple[Chunk, ...]:
        """Return the chunks of all records after `seq`. Raises BlockListTooOld where some are gone."""
        if seq < self.dropped:
            raise BlockListTooOld
        chunks = tuple(chunk for chunk in self.chunks if chunk.last_seq > seq)
        if chunks and chunks[0].first_seq <= seq:
            msg = f"chunk {chunks[0].first_seq}..{chunks[0].last_seq} lies in a block up to {seq} only in part"
            raise RuntimeError(msg)
        return chunks

    def first_unflushed(self) -> int | None:
        """Return the number of the oldest record that no block holds, or None."""
        if chunks := self.unflushed:
            return chunks[0].first_seq
        if self.taken_from is not None:
            return self.taken_from
        return self.waiting[0].seq if self.waiting else None
