"""What a query looks at: the sources of a tenant, taken once, each span in exactly one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from storage.columns import ScanSource
from tempo_dask.physical.units import Shard


class SnapshotProvider(Protocol):
    """Knows the live chunks and the blocks of every tenant."""

    async def snapshot(self, tenant: str) -> tuple[ScanSource, ...]:
        """Return all sources of a tenant.

        They must hold each span exactly once, with every span that was acknowledged before the call, and must
        stay readable for as long as the caller holds them. An unknown tenant has none.
        """
        ...


def stitched(sources: Sequence[ScanSource]) -> tuple[Shard, ...]:
    """Return the sources, and one more with the traces that lie in several of them."""
    return tuple(Shard(source) for source in sources)
