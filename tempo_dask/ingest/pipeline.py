"""The write path put together: one object that takes requests in and keeps them until they lie in blocks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from storage.chunk import merge_chunks
from storage.wal import WalRecord
from tempo_dask.ingest import flush as flushing
from tempo_dask.ingest.background import Background
from tempo_dask.ingest.commit_group import Check, Committer, WriteAheadLog
from tempo_dask.ingest.decoder import Decode, Decoder, Observe, observe_nothing
from tempo_dask.ingest.flush import Flusher, FlushLimits
from tempo_dask.ingest.live import LiveLimits, LiveStore
from tempo_dask.ingest.merging import Merger
from tempo_dask.ingest.records import Record
from tempo_dask.ingest.trimming import Trim, keep_all

log = logging.getLogger(__name__)

#: Requests that replay reads and checks together.
REPLAY_GROUP = 256
#: How long a step of replay waits for room, so how long stopping may take.
ROOM_TIMEOUT_S = 1.0


class Log(WriteAheadLog, flushing.ReleasableLog, Protocol):
    """The write-ahead log."""

    @property
    def next_seq(self) -> int:
        """Return the number that the next record gets, or a lower one."""
        ...

    def replay(self, after: Mapping[str, int]) -> Iterable[WalRecord]:
        """Return the records behind each tenant's number, ascending."""
        ...


class Pipeline:
    """Takes spans in by `push`; `start` first replays what the log holds and no block does."""

    def __init__(
        self,
        wal: Log,
        blocks: flushing.Blocks,
        *,
        node: str,
        check: Check,
        decode: Decode,
        trim: Trim = keep_all,
        observe: Observe = observe_nothing,
        live_limits: LiveLimits | None = None,
        flush_limits: FlushLimits | None = None,
        flush_period_s: float = 1.0,
    ) -> None:
        self.live = LiveStore(live_limits)
        self._wal = wal
        self._check = check
        self._committer = Committer(wal, self.live, check, trim=trim)
        self._flusher = Flusher(self.live, blocks, wal, node=node, limits=flush_limits)
        self._decoding = Background("decode", Decoder(self.live, decode, node, observe).step)
        self._merging = Background("merge", Merger(self.live, merge_chunks).step, pause_s=flush_period_s)
        self._flushing = Background("flush", self._flusher.step, pause_s=flush_period_s)
        self._stopping = threading.Event()
        self.push = self._committer.push
        self.flush = self._flusher.flush

    def replay(self, flushed: Mapping[str, int]) -> int:
        """Start the threads, take over what the log holds behind each tenant's flushed number, return its spans.

        Blocks until all of it is decoded, so queries that come later see it, or until `stop` is called.
        """
        for tenant, seq in flushed.items():
            self.live.retire(tenant, seq)
        for thread in (self._decoding, self._merging, self._flushing):
            thread.start()
        spans = 0
        for group in _groups(self._wal.replay(flushed)):
            spans += self._take_over(group)
            if self._stopping.is_set():
                return spans
        self.live.replayed(self._wal.next_seq - 1)
        for usage in self.live.usage():
            self.live.caught_up(usage.tenant).result()
        return spans

    def start(self) -> None:
        """Take requests; must be called on the event loop that pushes, after `replay`."""
        self._committer.start()

    async def close(self) -> None:
        """Refuse new requests and finish those that wait; queries and flushes go on."""
        await self._committer.stop()

    def stop(self) -> None:
        """End all threads, and a replay that runs; what is live stays in the log."""
        self._stopping.set()
        for thread in (self._flushing, self._merging, self._decoding):
            thread.stop()

    def _take_over(self, group: Sequence[WalRecord]) -> int:
        verdicts = self._check([record.body for record in group])
        records = [
            Record(logged.seq, logged.tenant, logged.body, verdict.spans, logged.arrived_ns)
            for logged, verdict in zip(group, verdicts, strict=True)
            if verdict.error is None
        ]
        if len(records) < len(group):
            log.error("%d records of the log are no longer valid and are left out", len(group) - len(records))
        while not self.live.wait_for_room(ROOM_TIMEOUT_S):
            log.info("replay waits for live spans to become blocks")
            if self._stopping.is_set():
                return 0
        self.live.accept(records)
        return sum(record.spans for record in records)


def _groups(records: Iterable[WalRecord]) -> Iterator[list[WalRecord]]:
    iterator = iter(records)
    while group := list(islice(iterator, REPLAY_GROUP)):
        yield group
