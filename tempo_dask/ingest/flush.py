"""Chunks to blocks: the closed range of a tenant's records becomes one block, then leaves memory and the log.

The order is what makes it exact. First the block and the new flushed number of this node are published in one
step. Then the chunks are retired: readers with an older block list still get them, until a grace period is over.
Then the log lets go of what every tenant has in blocks. A crash between any two of these loses nothing and doubles
nothing, since replay and readers go by the published number.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from storage.chunk import Chunk
from storage.columns import ScanSource
from tempo_dask import telemetry
from tempo_dask.ingest.live import LiveStore, TenantUsage
from tempo_dask.memory import give_back_freed_memory

log = logging.getLogger(__name__)

#: Chunks of so many bytes leave memory to the kernel when they are dropped; fewer leave it to the next chunks.
GIVEN_BACK_BYTES = 32 << 20


class BlockList(Protocol):
    """A tenant's blocks as of one moment."""

    @property
    def flushed(self) -> Mapping[str, int]:
        """Return for each node up to which of its records the blocks hold everything."""
        ...


class Blocks(Protocol):
    """Where blocks are published."""

    def block_list(self, tenant: str) -> BlockList:
        """Return the newest list, without opening blocks; it holds everything this process has published."""
        ...

    def publish(
        self,
        tenant: str,
        sources: Sequence[ScanSource],
        *,
        node: str,
        first_seq: int,
        last_seq: int,
        arrived_ns: tuple[int, int],
    ) -> object:
        """Write a block and list it, in one step with the node's new flushed number."""
        ...


class ReleasableLog(Protocol):
    """A log that can let go of its beginning."""

    def release(self, flushed: int) -> None:
        """Forget records up to that number; they may be kept longer."""
        ...


@dataclass(frozen=True, slots=True)
class FlushLimits:
    """When chunks become a block."""

    max_block_duration_s: float = 1800.0
    max_block_bytes: int = 500 << 20
    live_bytes: int = 512 << 20  # of all tenants: beyond it the largest is flushed before its time
    grace_s: float = 2.0  # a reader that takes longer from block list to live chunks must take a newer list


class Flusher:
    """Publishes blocks. `step` is for one thread; `flush` may be called from any."""

    def __init__(
        self,
        live: LiveStore,
        blocks: Blocks,
        wal: ReleasableLog,
        *,
        node: str,
        limits: FlushLimits | None = None,
    ) -> None:
        self._live = live
        self._blocks = blocks
        self._wal = wal
        self._node = node
        self._limits = limits or FlushLimits()
        self._one_at_a_time = threading.Lock()
        self._failed: set[str] = set()  # tenants whose last flush failed

    def step(self) -> None:
        """Flush the tenants that are due, and drop what no reader can ask for any more."""
        if self._live.drop_retired(self._limits.grace_s) >= GIVEN_BACK_BYTES:
            give_back_freed_memory()  # else the holes that chunks leave add up from block to block
        errors = []
        due = due_tenants(self._live.usage(), self._limits)
        telemetry.FLUSH_QUEUE.set(len(due))
        for tenant in due:
            try:
                self._publish(tenant)
            except Exception as error:
                log.exception("tenant %s could not be flushed", tenant)
                errors.append(error)
        if errors:
            msg = "some tenants could not be flushed"
            raise ExceptionGroup(msg, errors)

    def flush(self, tenant: str | None = None) -> None:
        """Publish all that was acknowledged before this call, of one tenant or of all; raises where that fails."""
        tenants = [usage.tenant for usage in self._live.usage()] if tenant is None else [tenant]
        for each in tenants:
            self._live.caught_up(each).result()
            self._publish(each)

    def _publish(self, tenant: str) -> None:
        """Make one block of a tenant's chunks. Raises after an error, with all chunks still in their place."""
        with self._one_at_a_time:
            # A publication that seemed to fail may have happened: what is listed must not be published again.
            self._live.retire(tenant, self._blocks.block_list(tenant).flushed.get(self._node, 0))
            chunks = self._live.close(tenant)
            if not chunks:
                return
            self._try(tenant, chunks)
            self._live.retire(tenant, chunks[-1].last_seq)
            telemetry.BLOCKS_CLEARED.inc()
            self._wal.release(self._live.releasable())

    def _try(self, tenant: str, chunks: Sequence[Chunk]) -> None:
        """Write the block, and count how that went."""
        is_retry = tenant in self._failed
        telemetry.FLUSH_RETRIES.inc(is_retry)
        try:
            with telemetry.FLUSH_DURATION.time():
                self._write(tenant, chunks)
        except Exception:
            telemetry.FAILED_FLUSHES.inc()
            telemetry.FAILED_RETRIES.inc(is_retry)
            self._failed.add(tenant)
            raise
        self._failed.discard(tenant)

    def _write(self, tenant: str, chunks: Sequence[Chunk]) -> None:
        started = time.monotonic()
        self._blocks.publish(
            tenant,
            chunks,
            node=self._node,
            first_seq=chunks[0].first_seq,
            last_seq=chunks[-1].last_seq,
            arrived_ns=(min(c.arrived_ns[0] for c in chunks), max(c.arrived_ns[1] for c in chunks)),
        )
        telemetry.BLOCKS_FLUSHED.inc()
        telemetry.FLUSH_SIZE.observe(sum(chunk.nbytes for chunk in chunks))
        log.info(
            "flushed tenant=%s spans=%d chunks=%d seconds=%.2f",
            tenant,
            sum(chunk.tables.spans.num_rows for chunk in chunks),
            len(chunks),
            time.monotonic() - started,
        )


def due_tenants(usages: Sequence[TenantUsage], limits: FlushLimits) -> list[str]:
    """Return whose chunks must become a block now: too old, too large, or the largest where memory runs short."""
    due = {
        usage.tenant
        for usage in usages
        if usage.chunk_bytes > 0
        and (usage.age_s >= limits.max_block_duration_s or usage.chunk_bytes >= limits.max_block_bytes)
    }
    kept = [usage for usage in usages if usage.tenant not in due]
    excess = sum(usage.chunk_bytes for usage in kept) - limits.live_bytes
    for usage in sorted(kept, key=lambda usage: usage.chunk_bytes, reverse=True):
        if excess <= 0:
            break
        due.add(usage.tenant)
        excess -= usage.chunk_bytes
    return sorted(due)
