"""Our blocks and Tempo's in one object store, seen as one list.

A block of Tempo's is converted row group by row group: the n-th becomes what record n + 1 of a node by the name of
the block would be. So the commit log says what is converted already, conversion goes on where it stopped, two that
run at once do not double anything, and every snapshot has each row group either here or there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from storage.block.meta import BlockMeta
from storage.block_format import BlockFormat
from storage.block_store import BlockSnapshot, BlockStore
from storage.merge_parts import TraceIds
from storage.object_store import ObjectStore
from storage.tempo_blocks.block import TempoBlock
from storage.tempo_blocks.listing import POLL_S, TempoBlockList, TempoBlocks
from storage.tempo_blocks.meta import COMPACTED_META, META
from storage.tempo_blocks.row_group import RowGroup, row_groups
from storage.tenants import is_tenant
from storage.veil import veil_all

_TEMPO_NODE = re.compile("tempo-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def node_of(block_id: str) -> str:
    """Return the node as which a block of Tempo's is known to the commit log."""
    return f"tempo-{block_id}"


def is_tempo_node(node: str) -> bool:
    """Return whether a node of the commit log is a block of Tempo's."""
    return _TEMPO_NODE.fullmatch(node) is not None


class BlocksBesideTempo(BlockStore):
    """A block store whose snapshots hold Tempo's blocks too; but for `retire` it never changes those."""

    def __init__(
        self,
        objects: ObjectStore,
        *,
        block_format: BlockFormat | None = None,
        clock: Callable[[], int] = time.time_ns,
        poll_s: float = POLL_S,
        forget: Callable[[str], None] = lambda _block_id: None,
    ) -> None:
        """Look for Tempo's blocks every `poll_s` seconds; `forget` is told of blocks of ours that left the list."""
        super().__init__(objects, block_format=block_format, clock=clock, forget=forget)
        self._tempo = TempoBlocks(objects, poll_s=poll_s)
        self._row_groups: dict[tuple[str, str], tuple[TempoBlock, tuple[RowGroup, ...]]] = {}

    def tempo_blocks(self, tenant: str) -> TempoBlockList:
        """Return Tempo's blocks of a tenant, converted or not. Raises InvalidTenant, BrokenLog, StoreUnavailable."""
        ours = self.block_list(tenant)
        return self._tempo.listed(tenant, ours.blocks.keys() | ours.removed.keys())

    def snapshot(self, tenant: str, window: tuple[int, int] | None = None) -> BlockSnapshot:
        """Return the newest list with those of Tempo's row groups that are not converted. Raises as `BlockStore`."""
        ours = super().snapshot(tenant, window)
        tempo = self.tempo_blocks(tenant)
        groups = [
            group
            for block in tempo.blocks.values()
            for group in self._of(block)[ours.flushed.get(node_of(block.meta.id), 0) :]
            if window is None or (group.meta.start_ns <= window[1] and window[0] <= group.meta.end_ns)
        ]
        sources, unsearchable = veil_all(groups, ours.hidden)
        set_aside = {**ours.set_aside, **tempo.set_aside, **unsearchable}
        return replace(ours, blocks=(*ours.blocks, *sources), set_aside=set_aside)

    def unconverted(self, tenant: str, block: TempoBlock) -> tuple[RowGroup, ...]:
        """Return the row groups of a block that are not converted yet."""
        return self._of(block)[self.block_list(tenant).flushed.get(node_of(block.meta.id), 0) :]

    def convert(self, tenant: str, block: TempoBlock) -> Iterator[BlockMeta | None]:
        """Convert what is left of a block, a row group at a time; yield what each became (None: it was empty).

        Raises AlreadyFlushed where somebody else converts it too, and what reading and publishing raise. What was
        yielded stays.
        """
        for group in self.unconverted(tenant, block):
            now_ns = self._clock()  # it arrives here now: retention counts from this moment
            yield self.publish(
                tenant,
                [group],
                node=node_of(block.meta.id),
                first_seq=group.number + 1,
                last_seq=group.number + 1,
                arrived_ns=(now_ns, now_ns),
            )

    def not_ours_holding(self, tenant: str, trace_ids: TraceIds) -> list[str]:
        """Return Tempo's blocks, converted or not, that hold any of the traces (n, 16)."""
        blocks = self.tempo_blocks(tenant).blocks.items()
        return [b for b, block in blocks if any((group.find(trace_ids) >= 0).any() for group in self._of(block))]

    def every_tenant(self) -> list[str]:
        """Return the names of all tenants with blocks of ours or of Tempo's, rising. Looks into every folder."""
        ours = set(self.tenants())
        names = [name for name in self._objects.folders("") if is_tenant(name)]
        return [name for name in names if name in ours or self.tempo_blocks(name).blocks]

    def retire(self, tenant: str, block: TempoBlock) -> None:
        """Mark a block of Tempo's as compacted, so that Tempo deletes it; for those who said that it may be done.

        Raises ValueError where it is not wholly converted.
        """
        if left := len(self.unconverted(tenant, block)):
            msg = f"block {block.meta.id} has {left} row groups that are not converted"
            raise ValueError(msg)
        prefix = f"{tenant}/{block.meta.id}"
        marked = f"{prefix}/{COMPACTED_META}"
        self._objects.put(marked, self._objects.get(f"{prefix}/{META}"))
        self._objects.sync([marked])
        self._objects.delete(f"{prefix}/{META}")

    def _of(self, block: TempoBlock) -> tuple[RowGroup, ...]:
        """Return the row groups of an open block, the same each time."""
        key = (block.tenant, block.meta.id)
        kept = self._row_groups.get(key)
        if kept is None or kept[0] is not block:
            kept = self._row_groups[key] = (block, row_groups(block))
        return kept[1]
