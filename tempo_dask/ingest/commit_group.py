"""Group commit: requests that arrive together are checked by one kernel call and written with one fsync.

A request is acknowledged when its bytes are on disk and the live store has taken them over, so a query that
starts after the acknowledgement finds its spans. Bad requests are refused one by one; the others of their group
go on. While a group is written the next one gathers, so groups grow with the load and nobody sets their size.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from storage.errors import StorageError
from tempo_dask import telemetry
from tempo_dask.errors import TempoDaskError, Unavailable
from tempo_dask.ingest.records import MalformedRequest, Record, RefusedRequest
from tempo_dask.ingest.room import Overloaded, Room
from tempo_dask.ingest.trimming import Kept, Trim, keep_all

log = logging.getLogger(__name__)

#: A group is closed at this size; what came later goes into the next one.
GROUP_BYTES = 16 << 20
#: Bytes in the queue and in the group being written; as many again four times may wait outside.
QUEUE_BYTES = 64 << 20
WAITING_BYTES = 4 * QUEUE_BYTES
#: How long a group waits for the live store to get rid of spans before its clients are told to come back.
ROOM_TIMEOUT_S = 5.0


class Verdict(Protocol):
    """What the check says of one request."""

    @property
    def error(self) -> str | None:
        """Return why the request is refused, or None."""
        ...

    @property
    def malformed(self) -> bool:
        """Return whether it is refused because its bytes are no message at all."""
        ...

    @property
    def spans(self) -> int:
        """Return how many spans it holds."""
        ...


class WriteAheadLog(Protocol):
    """Where groups are written; `append` returns after the fsync, with a number for each record."""

    def append(self, records: Sequence[tuple[str, bytes]], *, arrived_ns: int) -> Sequence[int]:
        """Write (tenant, body) pairs and return their sequence numbers, ascending. Raises StorageError, OSError."""
        ...


class Taker(Protocol):
    """Who takes over what is written (the live store)."""

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until more spans may come; False if that took longer than `timeout_s`."""
        ...

    def accept(self, records: Sequence[Record]) -> None:
        """Take over records, ascending by number, all of them or none."""
        ...


Check: TypeAlias = Callable[[Sequence[bytes]], Sequence[Verdict]]


@dataclass(frozen=True, slots=True)
class _Push:
    tenant: str
    body: bytes
    done: asyncio.Future[int]


class Committer:
    """The thread that writes groups, and `push`, by which receivers hand requests to it.

    `push` belongs to the event loop that `start` was called from.
    """

    def __init__(
        self, wal: WriteAheadLog, live: Taker, check: Check, *, trim: Trim = keep_all, room: Room | None = None
    ) -> None:
        self._wal = wal
        self._live = live
        self._check = check
        self._trim = trim
        self._room = room or Room(QUEUE_BYTES, WAITING_BYTES)
        self._queue: queue.SimpleQueue[_Push | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._open = False

    def start(self) -> None:
        """Take requests from now on; must be called on the event loop that pushes."""
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._thread.start()

    async def stop(self) -> None:
        """Refuse new requests, finish those that wait, and end the thread."""
        self._open = False
        self._queue.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    async def push(self, tenant: str, body: bytes) -> int:
        """Return how many spans `body` held, once they are on disk and every later query sees them.

        Raises MalformedRequest or RefusedRequest with the client's answer, Unavailable where it should try again.
        """
        self._require_open()
        await self._room.enter(len(body))
        if not self._open:
            self._room.leave(len(body))
            self._require_open()
        done: asyncio.Future[int] = self._loop.create_future()
        self._queue.put(_Push(tenant, body, done))
        spans = await done
        telemetry.SPANS_RECEIVED.labels(tenant).inc(spans)
        telemetry.BYTES_RECEIVED.labels(tenant).inc(len(body))
        telemetry.INGESTED_BYTES.labels(tenant, "trace").inc(len(body))
        return spans

    def _require_open(self) -> None:
        if not self._open:
            msg = "spans are not taken while the server starts or stops"
            raise Unavailable(msg)

    def _run(self) -> None:
        while group := self._next_group():
            try:
                outcomes = self._commit(group)
            except Exception:  # clients must be answered, and the thread must outlive a fault of what it calls
                log.exception("a commit group could not be taken")
                outcomes = [Unavailable("the request could not be taken")] * len(group)
            self._loop.call_soon_threadsafe(self._settle, group, outcomes)

    def _next_group(self) -> list[_Push]:
        """Wait for a request and return it with all that wait behind it; nothing once stopped."""
        group: list[_Push] = []
        size = 0
        while size < GROUP_BYTES:
            if group and self._queue.empty():
                break
            push = self._queue.get()
            if push is None:
                self._queue.put(None)  # found again when this group is done
                break
            group.append(push)
            size += len(push.body)
        return group

    def _commit(self, group: Sequence[_Push]) -> list[int | TempoDaskError]:
        """Return for each request how many spans it held, or its refusal."""
        verdicts = self._check([push.body for push in group])
        outcomes = [_outcome(verdict) for verdict in verdicts]
        good = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, int) and outcome > 0]
        kept = [self._trim(group[i].tenant, group[i].body, verdicts[i].spans) for i in good]
        written = [(group[i].tenant, rest) for i, rest in zip(good, kept, strict=True) if rest.spans]
        if written and (refusal := self._write(written)):
            for i in good:
                outcomes[i] = refusal
        return outcomes

    def _write(self, requests: Sequence[tuple[str, Kept]]) -> Unavailable | None:
        """Put requests of tenants on disk and hand them on, or return why that cannot be."""
        if not self._live.wait_for_room(ROOM_TIMEOUT_S):
            return Overloaded("live spans fill their memory, try again later")
        now = time.time_ns()
        try:
            seqs = self._wal.append([(tenant, kept.body) for tenant, kept in requests], arrived_ns=now)
        except (StorageError, OSError):
            log.exception("the write-ahead log could not be written")
            return Unavailable("the write-ahead log could not be written, try again later")
        self._live.accept(
            [
                Record(seq, tenant, kept.body, kept.spans, now)
                for seq, (tenant, kept) in zip(seqs, requests, strict=True)
            ]
        )
        return None

    def _settle(self, group: Sequence[_Push], outcomes: Sequence[int | TempoDaskError]) -> None:
        """Answer a whole group in one turn of the event loop."""
        for push, outcome in zip(group, outcomes, strict=True):
            self._room.leave(len(push.body))
            if push.done.cancelled():
                continue
            if isinstance(outcome, int):
                push.done.set_result(outcome)
            else:
                push.done.set_exception(outcome)


def _outcome(verdict: Verdict) -> int | TempoDaskError:
    if verdict.error is None:
        return verdict.spans
    return MalformedRequest(verdict.error) if verdict.malformed else RefusedRequest(verdict.error, verdict.spans)
