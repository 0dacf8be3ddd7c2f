"""Which blocks to compact together: Tempo's rules, on what the commit log says of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from storage.block_list import BlockRecord
from storage.block_store import level_of
from tempo_dask.maintenance.limits import DAY_NS, CompactionLimits

#: Where blocks may meet: window of span times, day of arrival, level (-1 where it does not matter).
_Slot: TypeAlias = tuple[int, int, int]


def select_groups(records: Iterable[BlockRecord], now_ns: int, limits: CompactionLimits) -> list[Sequence[str]]:
    """Return groups of ids of blocks to be made one block each; no id stands twice. Newest windows come first.

    Blocks meet that end in the same window and whose newest spans arrived on the same day, so that what arrives
    late does not keep old spans from expiring. Recent ones also have to be of one level, so that a span is not
    written again with every flush.
    """
    slots: defaultdict[_Slot, list[BlockRecord]] = defaultdict(list)
    for record in records:
        slots[_slot(record, now_ns, limits)].append(record)
    return [group for slot in sorted(slots, reverse=True) for group in _groups(slots[slot], limits)]


def _slot(record: BlockRecord, now_ns: int, limits: CompactionLimits) -> _Slot:
    is_active = record["end_ns"] > now_ns - limits.active_window
    level = level_of(record) if is_active else -1
    return record["end_ns"] // limits.compaction_window, record["arrived_ns"] // DAY_NS, level


def _groups(records: Sequence[BlockRecord], limits: CompactionLimits) -> Iterator[Sequence[str]]:
    """Put the smallest together while their sum is within the limits."""
    group: list[BlockRecord] = []
    for record in sorted(records, key=lambda record: (record["size_bytes"], record["id"])):
        if len(group) == limits.max_inputs or not _fits([*group, record], limits):
            if len(group) >= limits.min_inputs:
                yield [r["id"] for r in group]
            group = []
        group.append(record)
    if len(group) >= limits.min_inputs:
        yield [r["id"] for r in group]


def _fits(group: Sequence[BlockRecord], limits: CompactionLimits) -> bool:
    traces: int = sum(record["trace_count"] for record in group)
    size: int = sum(record["size_bytes"] for record in group)
    return traces <= limits.max_compaction_objects and size <= limits.max_block_bytes
