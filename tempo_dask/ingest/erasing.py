"""What a node does for erasures: nothing outside of blocks may hold hidden traces any more, not even its log.

Blocks are written without hidden traces, so all that it takes is to make blocks of everything that came before, and to
let go of the log. What the process has computed from these traces goes when queries that began before are through.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from storage.block_list import BlockList
from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.commit_log import CommitConflict, Erasing
from storage.hidden import HiddenTraces
from storage.veil import veil_all
from tempo_dask.ingest.flush import ReleasableLog
from tempo_dask.ingest.live import LiveStore

log = logging.getLogger(__name__)


#: Tenants that a step looks at: each costs a read of the store. Where there are more they take turns.
MOST_TENANTS = 100


class RollingLog(ReleasableLog, Protocol):
    """A write-ahead log whose files can be told apart."""

    def roll(self) -> int:
        """Write to a new file from now on, and return the last number before it."""
        ...

    def may_hold(self, seq: int) -> bool:
        """Return whether a file may hold records up to a number."""
        ...


class Blocks(Protocol):
    """Where erasures are noted."""

    def block_list(self, tenant: str) -> BlockList:
        """Return the newest list."""
        ...

    def known_tenants(self) -> Collection[str]:
        """Return the tenants that this process has looked at."""
        ...

    def commit_erasing(self, tenant: str, erasing: Erasing) -> object:
        """Note what was done. Raises CommitConflict where an erasure is over."""
        ...


class NodeErasure:
    """Does this node's part of all erasures; `step` is for one thread.

    `flush` makes blocks of all that was acknowledged, `forget` gives up what was computed and kept, on disk too.
    """

    def __init__(
        self,
        blocks: Blocks,
        live: LiveStore,
        wal: RollingLog,
        *,
        node: str,
        flush: Callable[[], None],
        forget: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._blocks = blocks
        self._live = live
        self._wal = wal
        self._node = node
        self._flush = flush
        self._forget = forget
        self._monotonic = monotonic
        self._seen_s: dict[str, float] = {}  # when each erasure was seen first
        self._emptied: set[str] = set()
        self._done: set[str] = set()
        self._last = ""  # the tenant that was looked at last

    def join(self, tenant: str) -> None:
        """Let erasures of a tenant wait for this node from now on. Raises StorageError."""
        if self._node not in self._blocks.block_list(tenant).flushed:
            self._blocks.commit_erasing(tenant, Erasing(joined=[self._node]))

    def step(self) -> None:
        """Look for erasures and do what can be done now."""
        now_s = self._monotonic()
        due = {
            (tenant, each): erasure
            for tenant, has_spans in self._in_turn(self._tenants())
            for each, erasure in self._asked(tenant, has_spans=has_spans).items()
        }
        for _, erasure_id in due:
            self._seen_s.setdefault(erasure_id, now_s)
        asked = {erasure_id for _, erasure_id in due}
        if asked - self._emptied and self.empty_log():
            self._emptied |= asked
        over = [key for key, erasure in due.items() if self._is_over(key[1], float(erasure["grace_s"]), now_s)]
        if over:
            self._forget()
        for tenant, erasure_id in over:
            self.clear(tenant, erasure_id)

    def empty_log(self) -> bool:
        """Make blocks of all there is, and return whether no file of the log holds any of it. Raises as flushing."""
        last = self._wal.roll()
        self._flush()
        self._wal.release(self._live.releasable())
        return not self._wal.may_hold(last)

    def clear(self, tenant: str, erasure_id: str) -> None:
        """Note that nothing here holds these traces any more, where the log waits for that."""
        self._done.add(erasure_id)
        listed = self._blocks.block_list(tenant)
        erasure = listed.hidden.get(erasure_id)
        if erasure is None or self._node in erasure["cleared"] or self._node not in listed.flushed:
            return
        try:
            self._blocks.commit_erasing(tenant, Erasing(cleared={erasure_id: self._node}))
        except CommitConflict:
            log.debug("erasure %s is over", erasure_id)
        log.info("cleared tenant=%s erasure=%s", tenant, erasure_id)

    def _tenants(self) -> Mapping[str, bool]:
        """Return of each tenant whether it has live spans."""
        live = {usage.tenant: usage.spans > 0 for usage in self._live.usage()}
        return dict.fromkeys(self._blocks.known_tenants(), False) | live

    def _in_turn(self, tenants: Mapping[str, bool]) -> Sequence[tuple[str, bool]]:
        """Return those that come after the ones of the last step."""
        ordered = sorted(tenants)
        first = bisect_right(ordered, self._last)
        found = [*ordered[first:], *ordered[:first]][:MOST_TENANTS]
        self._last = found[-1] if found else ""
        return [(tenant, tenants[tenant]) for tenant in found]

    def _asked(self, tenant: str, *, has_spans: bool) -> Mapping[str, Mapping[str, Any]]:
        """Return the erasures that wait for this node, which makes itself known where it has live spans."""
        listed = self._blocks.block_list(tenant)
        if has_spans and self._node not in listed.flushed:
            self.join(tenant)
            listed = self._blocks.block_list(tenant)
        return {
            erasure_id: erasure
            for erasure_id, erasure in listed.hidden.items()
            if erasure_id not in self._done and self._node not in erasure["cleared"]
        }

    def _is_over(self, erasure_id: str, grace_s: float, now_s: float) -> bool:
        """Return whether nothing that began before an erasure was seen can go on."""
        return erasure_id in self._emptied and now_s >= self._seen_s[erasure_id] + grace_s


class HidingBlocks(Protocol):
    """Knows which traces must not be shown."""

    def hidden(self, tenant: str) -> HiddenTraces:
        """Return the hidden traces of a tenant."""
        ...


class VeiledLive:
    """The live spans of this node as other nodes may see them: without hidden traces."""

    def __init__(self, live: LiveStore, blocks: HidingBlocks) -> None:
        self._live = live
        self._blocks = blocks
        self.caught_up = live.caught_up

    def after(self, tenant: str, seq: int) -> tuple[ScanSource, ...]:
        """Return the chunks of all records after `seq`; reads the log. Raises BlockListTooOld, StorageError."""
        chunks: tuple[Chunk, ...] = self._live.after(tenant, seq)
        return veil_all(chunks, self._blocks.hidden(tenant))[0] if chunks else ()
