"""Live spans of a node for queries of other nodes: the node holds them, and they are scanned where they are.

What is handed out is what a plan needs to know of a chunk: its description and its sorted trace ids. A chunk stays
for a while after it was last handed out, so a query that goes on while it becomes part of a block still finds it.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from storage.columns import ScanSource, SourceMeta, SpanTables
from storage.errors import DamagedBlock
from tempo_dask.ingest.live_tenant import BlockListTooOld

#: How long a chunk is kept for queries that were told of it. One that takes longer answers in part, and says so.
KEPT_S = 60.0


class ChunkGone(DamagedBlock):
    """A node does not hold a chunk any more that it had handed out."""


class Live(Protocol):
    """The live spans of this process."""

    def caught_up(self, tenant: str) -> Future[None]:
        """Return a future that is done when all that was accepted before this call is in chunks."""
        ...

    def after(self, tenant: str, seq: int) -> tuple[ScanSource, ...]:
        """Return the chunks of all records after `seq`; may read. Raises BlockListTooOld where some are gone."""
        ...


@dataclass(frozen=True, slots=True)
class Lent:
    """What others are told of a chunk: `ids` (traces, 16) rise, `rows` are their rows in traces."""

    meta: SourceMeta
    ids: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.uint32]


class Lender:
    """Hands out the live chunks of this process. `lend` is for an event loop, the rest for any thread."""

    def __init__(self, live: Live, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._live = live
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str], tuple[ScanSource, float]] = {}  # with when it may go, by tenant and id

    async def lend(self, tenant: str, after_seq: int, known: frozenset[str]) -> list[str | Lent]:
        """Return a tenant's chunks of all records after a number: those that are known by their ids alone.

        They hold everything that was acknowledged before this call. Raises BlockListTooOld.
        """
        await asyncio.wrap_future(self._live.caught_up(tenant))
        chunks = await asyncio.to_thread(self._live.after, tenant, after_seq)
        self._hold(chunks)
        return await asyncio.to_thread(lambda: [c.meta.id if c.meta.id in known else _lent(c) for c in chunks])

    def held(self, tenant: str, chunk_id: str) -> ScanSource:
        """Return a chunk that was handed out. Raises ChunkGone."""
        with self._lock:
            found = self._held.get((tenant, chunk_id))
        if found is None:
            msg = f"live spans of {tenant} are held no more, they became part of a block meanwhile"
            raise ChunkGone(msg)
        return found[0]

    def drop_old(self) -> None:
        """Give up chunks that were not handed out for a while."""
        now = self._monotonic()
        with self._lock:
            self._held = {key: (chunk, until) for key, (chunk, until) in self._held.items() if until > now}

    def _hold(self, chunks: Sequence[ScanSource]) -> None:
        self.drop_old()
        until = self._monotonic() + KEPT_S
        with self._lock:
            self._held |= {(chunk.meta.tenant, chunk.meta.id): (chunk, until) for chunk in chunks}


def _lent(chunk: ScanSource) -> Lent:
    ids = chunk.sorted_trace_ids()
    return Lent(chunk.meta, ids, chunk.find(ids).astype(np.uint32))


@dataclass(slots=True)
class _Desk:
    """Where this process lends its live spans, if it does."""

    lender: Lender | None = None


DESK = _Desk()


def _lender() -> Lender:
    if DESK.lender is None:
        msg = "this process holds no live spans any more"
        raise ChunkGone(msg)
    return DESK.lender


async def lend(tenant: str, after_seq: int, known: frozenset[str]) -> bytes | None:
    """Answer another node: what `Lender.lend` returns, as bytes; None where its block list is too old."""
    try:
        found = await _lender().lend(tenant, after_seq, known)
    except BlockListTooOld:
        return None
    return await asyncio.to_thread(pickle.dumps, found, pickle.HIGHEST_PROTOCOL)


async def lend_traces(tenant: str, chunk_id: str, rows: Sequence[int]) -> bytes:
    """Answer another node: all columns of some traces of a chunk, as bytes."""
    chunk = _lender().held(tenant, chunk_id)

    def taken() -> bytes:
        tables: SpanTables = chunk.take_traces(rows)
        return pickle.dumps(tables, pickle.HIGHEST_PROTOCOL)

    return await asyncio.to_thread(taken)


def held_chunk(tenant: str, chunk_id: str) -> ScanSource:
    """Return a chunk of this process by what others call it. Raises ChunkGone."""
    return _lender().held(tenant, chunk_id)
