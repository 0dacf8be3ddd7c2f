"""Queries across tenants: `a|b` looks at the sources of both as if they were one tenant's.

So a trace with spans in both is one trace, and every metric, averages and quantiles too, is computed over all spans.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from storage.columns import ScanSource
from tempo_dask.engine.sources import SnapshotProvider

SEPARATOR = "|"


@dataclass(frozen=True, slots=True)
class CrossTenantSources:
    """The sources of one tenant or of several; the ids of sources are unique among tenants."""

    sources: SnapshotProvider

    async def snapshot(self, tenant: str) -> tuple[ScanSource, ...]:
        """Return all sources of the tenants."""
        found = await asyncio.gather(*(self.sources.snapshot(one) for one in tenant.split(SEPARATOR)))
        return tuple(source for of_one in found for source in of_one)

    def set_aside(self, tenant: str) -> Mapping[str, str]:
        """Return the blocks that the newest snapshots lack, and why."""
        return {block: why for one in tenant.split(SEPARATOR) for block, why in self.sources.set_aside(one).items()}
