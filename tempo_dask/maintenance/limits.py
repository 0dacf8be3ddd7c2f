"""How blocks are compacted and kept, by Tempo's names."""

from __future__ import annotations

from dataclasses import dataclass

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS


@dataclass(frozen=True, slots=True)
class CompactionLimits:
    """Settings of `compactor.compaction`; times are nanoseconds unless the name says otherwise."""

    compaction_window: int = HOUR_NS  # blocks of one window of span times are compacted together
    max_compaction_objects: int = 6_000_000  # traces of a block
    max_block_bytes: int = 100 << 30
    block_retention: int = 336 * HOUR_NS  # since the newest arrival in a block; 0 keeps blocks for ever
    compacted_block_retention: int = HOUR_NS  # readers may hold an older list for so long
    max_time_per_tenant_s: float = 300.0
    active_window: int = DAY_NS  # newer blocks are compacted with blocks of their own level only
    min_inputs: int = 2
    max_inputs: int = 4
