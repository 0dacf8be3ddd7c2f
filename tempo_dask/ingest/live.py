"""The live store: every acknowledged span that lies in no block yet, of all tenants, for queries and for flushes.

Records come in from the committer, a decoder takes batches of them and gives back chunks, a merger puts
neighbouring chunks together, a flusher turns them into blocks. Queries take tuples of immutable chunks. Each of
these is a thread of its own; this class is the only thing they share, and its lock is held for list work alone.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from storage.chunk import Chunk
from tempo_dask.ingest.live_tenant import TenantLive
from tempo_dask.ingest.records import Record

#: Of the objects and buffers of a chunk's tables: of many tenants with few spans each, it is nearly all there is.
EMPTY_CHUNK_BYTES = 8 << 10


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """What the live store holds, and when it decodes."""

    batch_spans: int = 32_768  # their chunk is large enough to be written to a block as it is
    linger_s: float = 0.5  # fewer spans than a batch wait this long for more, where no query waits for them
    waiting_bytes: int = 64 << 20  # of undecoded requests
    live_bytes: int = 1 << 30  # of everything here; beyond it nothing more comes in


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one tenant that are decoded together."""

    tenant: str
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """What the flusher and the metrics need to know of a tenant."""

    tenant: str
    chunk_bytes: int
    traces: int
    spans: int
    age_s: float  # since the oldest record came in that lies in no block


class LiveStore:
    """Acknowledged spans on their way from the log to blocks. All methods may be called from any thread."""

    def __init__(self, limits: LiveLimits | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits or LiveLimits()
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._tenants: defaultdict[str, TenantLive] = defaultdict(TenantLive)
        self._due_s: dict[str, float] = {}  # when what waits of a tenant must be decoded at the latest
        self._waiting_bytes = 0
        self._chunk_bytes: dict[str, int] = {}  # by chunk id: to add them up takes milliseconds a chunk
        self._all_chunk_bytes = 0
        self._accepted = 0

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until more spans may come; False if that took longer than `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(self._has_room, timeout_s)

    def accept(self, records: Sequence[Record]) -> None:
        """Take over records that are on disk, ascending by number."""
        now = self._monotonic()
        with self._changed:
            for record in records:
                self._tenants[record.tenant].accept(record, now)
                self._due_s.setdefault(record.tenant, now + self.limits.linger_s)
                self._waiting_bytes += len(record.body)
                self._accepted = record.seq
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Batch | None:
        """Return records to decode, or None if none were due within `timeout_s`.

        They are due when they make up a batch, when they have lingered, or when a query waits for them. Whoever
        takes a batch must `add` it; batches of one tenant must not be taken side by side.
        """
        deadline = self._monotonic() + timeout_s
        with self._changed:
            while (tenant := self._due_tenant()) is None:
                wait_s = min([deadline, *self._due_s.values()]) - self._monotonic()
                if self._monotonic() >= deadline:
                    return None
                self._changed.wait(max(wait_s, 0))
            live = self._tenants[tenant]
            batch = live.take(self.limits.batch_spans)
            del self._due_s[tenant]
            if live.waiting:
                self._due_s[tenant] = self._monotonic() + self.limits.linger_s
            return Batch(tenant, batch)

    def add(self, batch: Batch, chunk: Chunk | None) -> None:
        """Add the chunk made of a batch (None where nothing of it could be decoded)."""
        sizes = {} if chunk is None else {chunk.id: _bytes_of(chunk)}
        with self._changed:
            ready = self._tenants[batch.tenant].add(chunk, batch.records[-1].seq)
            self._waiting_bytes -= sum(len(record.body) for record in batch.records)
            self._hold(sizes)
            self._changed.notify_all()
        for future in ready:
            future.set_result(None)

    def caught_up(self, tenant: str) -> Future[None]:
        """Return a future that is done when all that was accepted before this call is in chunks."""
        with self._changed:
            if tenant not in self._tenants:
                done: Future[None] = Future()
                done.set_result(None)
                return done
            self._changed.notify_all()
            return self._tenants[tenant].watch()

    def after(self, tenant: str, seq: int) -> tuple[Chunk, ...]:
        """Return the chunks of all records after `seq`. Raises BlockListTooOld where some are gone."""
        with self._changed:
            return self._tenants[tenant].after(seq) if tenant in self._tenants else ()

    def open_chunks(self, tenant: str) -> tuple[Chunk, ...]:
        """Return the chunks that may still be merged with their neighbours."""
        with self._changed:
            return self._tenants[tenant].open_chunks if tenant in self._tenants else ()

    def replace(self, tenant: str, run: Sequence[Chunk], merged: Chunk) -> bool:
        """Put `merged` in the place of neighbouring chunks; False where a flush came first."""
        sizes = {merged.id: _bytes_of(merged)}
        with self._changed:
            replaced = self._tenants[tenant].replace(run, merged)
            if replaced:
                self._let_go(chunk.id for chunk in run)
                self._hold(sizes)
                self._changed.notify_all()
            return replaced

    def close(self, tenant: str) -> tuple[Chunk, ...]:
        """Close the range of records that lie in chunks but in no block, and return their chunks."""
        with self._changed:
            return self._tenants[tenant].close(self._monotonic()) if tenant in self._tenants else ()

    def retire(self, tenant: str, through: int) -> None:
        """Note that blocks hold all records of a tenant up to `through`."""
        with self._changed:
            self._tenants[tenant].retire(through, self._monotonic())

    def drop_retired(self, grace_s: float) -> int:
        """Forget chunks that were retired at least `grace_s` ago; return how many bytes they had."""
        before = self._monotonic() - grace_s
        with self._changed:
            held = self._all_chunk_bytes
            dropped = [chunk.id for live in self._tenants.values() for chunk in live.drop(before)]
            if dropped:
                self._let_go(dropped)
                self._changed.notify_all()
            return held - self._all_chunk_bytes

    def releasable(self) -> int:
        """Return the number up to which every record lies in blocks, so the log need not keep it."""
        with self._changed:
            oldest = [seq for live in self._tenants.values() if (seq := live.first_unflushed()) is not None]
            return min(oldest) - 1 if oldest else self._accepted

    def replayed(self, through: int) -> None:
        """Note that all records up to a number were accepted or lie in blocks, as after a start."""
        with self._changed:
            self._accepted = max(self._accepted, through)

    def usage(self) -> list[TenantUsage]:
        """Return what each tenant has here that lies in no block."""
        with self._changed:
            now = self._monotonic()
            return [self._usage_of(tenant, live, now) for tenant, live in self._tenants.items()]

    def wake(self) -> None:
        """Make whoever waits look again."""
        with self._changed:
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return (
            self._waiting_bytes < self.limits.waiting_bytes
            and self._waiting_bytes + self._all_chunk_bytes < self.limits.live_bytes
        )

    def _hold(self, sizes: Mapping[str, int]) -> None:
        """Count chunks that came, bytes by id."""
        self._chunk_bytes |= sizes
        self._all_chunk_bytes += sum(sizes.values())

    def _let_go(self, ids: Iterable[str]) -> None:
        """Count chunks that went."""
        self._all_chunk_bytes -= sum(self._chunk_bytes.pop(each) for each in ids)

    def _usage_of(self, tenant: str, live: TenantLive, now_s: float) -> TenantUsage:
        chunks = live.unflushed
        return TenantUsage(
            tenant,
            chunk_bytes=sum(self._chunk_bytes[chunk.id] for chunk in chunks),
            traces=sum(chunk.tables.table("traces").num_rows for chunk in chunks),
            spans=sum(chunk.tables.spans.num_rows for chunk in chunks) + live.waiting_spans,
            age_s=0 if live.opened_s is None else now_s - live.opened_s,
        )

    def _due_tenant(self) -> str | None:
        """Return the tenant to decode next: one that a query waits for before all others."""
        now = self._monotonic()
        due = [
            (not live.is_watched, due_s, tenant)
            for tenant, due_s in self._due_s.items()
            if (live := self._tenants[tenant]).is_watched
            or live.waiting_spans >= self.limits.batch_spans
            or due_s <= now
        ]
        return min(due)[2] if due else None


def _bytes_of(chunk: Chunk) -> int:
    """Return the memory of a chunk, with what its tables take before they hold anything."""
    return chunk.nbytes + EMPTY_CHUNK_BYTES
