"""The section `compactor` of the configuration."""

from __future__ import annotations

from datetime import timedelta

from pydantic import PositiveInt

from tempo_dask.config.section import Duration, Section
from tempo_dask.maintenance.limits import CompactionLimits


class Compaction(Section):
    """`compactor.compaction`: which blocks become one, and how long blocks are kept after their spans arrived."""

    compaction_window: Duration = timedelta(hours=1)
    max_compaction_objects: PositiveInt = 6_000_000
    max_block_bytes: PositiveInt = 100 << 30
    block_retention: Duration = timedelta(hours=336)
    compacted_block_retention: Duration = timedelta(hours=1)
    max_time_per_tenant: Duration = timedelta(minutes=5)
    compaction_cycle: Duration = timedelta(seconds=30)

    def limits(self) -> CompactionLimits:
        """Return what maintenance goes by."""
        return CompactionLimits(
            compaction_window=max(1, _ns(self.compaction_window)),
            max_compaction_objects=self.max_compaction_objects,
            max_block_bytes=self.max_block_bytes,
            block_retention=_ns(self.block_retention),
            compacted_block_retention=_ns(self.compacted_block_retention),
            max_time_per_tenant_s=self.max_time_per_tenant.total_seconds(),
        )


class Compactor(Section):
    """`compactor`."""

    disabled: bool = False
    compaction: Compaction = Compaction()


def _ns(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1) * 1000
