"""What a query scans: the blocks of a tenant and the live chunks of what no block of that list holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from storage.columns import ScanSource
from storage.errors import StorageError
from storage.hidden import HiddenTraces
from storage.veil import veil_all
from tempo_dask import telemetry
from tempo_dask.errors import Unavailable
from tempo_dask.ingest.live import LiveStore
from tempo_dask.ingest.live_tenant import BlockListTooOld

#: How often a block list is asked for that has what was flushed: the first nearly always has.
LIST_ATTEMPTS = 50
LIST_PAUSE_S = 0.02


class BlockList(Protocol):
    """A tenant's blocks as of one moment, with the flushed number of each node."""

    @property
    def blocks(self) -> Sequence[ScanSource]:
        """Return the blocks."""
        ...

    @property
    def flushed(self) -> Mapping[str, int]:
        """Return for each node up to which of its records the blocks hold everything."""
        ...

    @property
    def set_aside(self) -> Mapping[str, str]:
        """Return why some blocks of the list could not be opened, by their ids."""
        ...

    @property
    def hidden(self) -> HiddenTraces:
        """Return the traces that must not be shown; the blocks are without them."""
        ...


class Blocks(Protocol):
    """Where block lists come from."""

    def snapshot(self, tenant: str) -> BlockList:
        """Return the newest list; it holds everything this process has published."""
        ...


class Elsewhere(Protocol):
    """The live spans of other nodes."""

    async def after(self, tenant: str, flushed: Mapping[str, int]) -> tuple[tuple[ScanSource, ...], Mapping[str, str]]:
        """Return what other nodes hold that blocks up to these numbers do not, and what cannot be asked for, and why.

        Must raise BlockListTooOld where a node has given up some of that already.
        """
        ...


class Sources:
    """Consistent views of all spans: each acknowledged one exactly once."""

    def __init__(self, blocks: Blocks, live: LiveStore, node: str, elsewhere: Elsewhere | None = None) -> None:
        self._elsewhere = elsewhere
        self._blocks = blocks
        self._live = live
        self._node = node
        self._opened = asyncio.Event()
        self._set_aside: dict[str, Mapping[str, str]] = {}

    def open(self) -> None:
        """Let queries in: what the log held is live again."""
        self._opened.set()

    async def snapshot(self, tenant: str) -> tuple[ScanSource, ...]:
        """Return immutable sources that together hold every span acknowledged before this call, once.

        While the server starts, waits until `open` is called. Raises Unavailable where the block list cannot be read.
        """
        await self._opened.wait()
        await asyncio.wrap_future(self._live.caught_up(tenant))
        for _ in range(LIST_ATTEMPTS):
            listed = await self._list(tenant)
            try:
                chunks = self._live.after(tenant, listed.flushed.get(self._node, 0))
                distant, missing = await self._of_others(tenant, listed)
            except BlockListTooOld:
                await asyncio.sleep(LIST_PAUSE_S)  # a flush came between, and its grace is over
                continue
            telemetry.BLOCKLIST_LENGTH.labels(tenant).set(len(listed.blocks))
            self._set_aside[tenant] = {
                **{f"block {block}": why for block, why in listed.set_aside.items()},
                **missing,
            }
            return (*listed.blocks, *await _without(chunks, listed.hidden), *distant)
        msg = f"the block list of {tenant} stays behind what was flushed"
        raise Unavailable(msg)

    def set_aside(self, tenant: str) -> Mapping[str, str]:
        """Return what the newest snapshot of a tenant lacks since it cannot be read, and why."""
        return self._set_aside.get(tenant, {})

    async def _of_others(self, tenant: str, listed: BlockList) -> tuple[tuple[ScanSource, ...], Mapping[str, str]]:
        return ((), {}) if self._elsewhere is None else await self._elsewhere.after(tenant, listed.flushed)

    async def _list(self, tenant: str) -> BlockList:
        try:
            return await asyncio.to_thread(self._blocks.snapshot, tenant)
        except StorageError as error:
            msg = f"the blocks of {tenant} cannot be listed: {error}"
            raise Unavailable(msg) from error


async def _without(chunks: tuple[ScanSource, ...], hidden: HiddenTraces) -> tuple[ScanSource, ...]:
    return (await asyncio.to_thread(veil_all, chunks, hidden))[0] if hidden.key else chunks
