"""What a query looks at: the sources of a tenant, taken once, each span in exactly one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from storage.columns import ScanSource
from storage.errors import DamagedBlock
from storage.stitch import stitch
from tempo_dask.physical.units import Shard


class SnapshotProvider(Protocol):
    """Knows the live chunks and the blocks of every tenant."""

    async def snapshot(self, tenant: str) -> tuple[ScanSource, ...]:
        """Return all sources of a tenant.

        They must hold each span exactly once, with every span that was acknowledged before the call, and must
        stay readable for as long as the caller holds them. An unknown tenant has none.
        """
        ...

    def set_aside(self, tenant: str) -> Mapping[str, str]:
        """Return what the newest snapshot of a tenant lacks since it cannot be read (`block <id>`), and why."""
        ...


async def shards_of(provider: SnapshotProvider, tenant: str) -> tuple[Shard, ...]:
    """Return the sources of a tenant, stitched off the event loop."""
    sources = await provider.snapshot(tenant)
    if len(sources) < 2:
        return stitched(sources)
    try:
        return await asyncio.to_thread(stitched, sources)
    except DamagedBlock:  # a source was lost meanwhile: the next snapshot is without it, and says so
        return await asyncio.to_thread(stitched, await provider.snapshot(tenant))


def stitched(sources: Sequence[ScanSource]) -> tuple[Shard, ...]:
    """Return the sources, and those that have the traces which lie in several of them."""
    if len(sources) < 2:
        return tuple(Shard(source) for source in sources)
    found = stitch(sources)
    no_rows = np.zeros(0, np.int64)
    return tuple(Shard(source, found.excluded.get(source.meta.id, no_rows)) for source in (*sources, *found.sources))
