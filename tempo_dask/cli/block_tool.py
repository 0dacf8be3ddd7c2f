"""What `tempo-dask blocks` does, on the object store itself: no server has to run, and one may."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from storage.block.files import StoredFiles
from storage.block.reader import Block
from storage.block.verify import find_damage
from storage.block_list import BlockRecord, ErasureRecord
from storage.columns import ColumnMeta
from storage.describe import join_columns
from storage.object_store import ObjectStore
from storage.tempo_blocks.beside import BlocksBesideTempo
from storage.tempo_blocks.block import TempoBlock
from storage.tempo_blocks.row_group import row_groups
from storage.tenants import check_tenant
from storage.veil import unveiled
from tempo_dask.cli.stopped_node import StoppedNode
from tempo_dask.config import file as config
from tempo_dask.config.section import ConfigError
from tempo_dask.errors import TempoDaskError
from tempo_dask.maintenance.compaction import Compacted, compact_tenant
from tempo_dask.maintenance.erase import find_traces, give_up_node, hide_traces, wait_until_gone
from tempo_dask.maintenance.limits import CompactionLimits
from tempo_dask.maintenance.retention import Deleted, delete_unread, expire, expired
from tempo_dask.maintenance.tasks import on_threads
from tempo_dask.notebook.store import Store
from tempo_dask.overrides.tenants import TenantSettings
from tempo_dask.request_limits import nanoseconds
from tempo_dask.trace_store import open_trace_store

OURS = "tempo-dask"


class NoSuchBlock(TempoDaskError):
    """No block has that id, or it cannot be opened."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A block as listed; times are nanoseconds since 1970. `note` says what is special about it."""

    tenant: str
    id: str
    format: str
    spans: int
    traces: int
    start_ns: int
    end_ns: int
    size_bytes: int
    level: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A block that was verified, and what is wrong with its files."""

    tenant: str
    id: str
    damage: Sequence[tuple[str, str]]


class BlockTool:
    """The blocks of an object store, to look at and to work on. All methods raise StorageError."""

    def __init__(
        self,
        objects: ObjectStore,
        *,
        may_retire: bool = False,
        limits: CompactionLimits | None = None,
        node: StoppedNode | None = None,
        settings: TenantSettings | None = None,
    ) -> None:
        """Use a store; `limits` say which blocks are compacted together, `node` is one that may hold more spans.

        What `settings` say of a tenant goes before `limits`.
        """
        self._objects = objects
        self._may_retire = may_retire
        self._limits = limits or CompactionLimits()
        self._node = node
        self._settings = settings
        self.blocks = BlocksBesideTempo(objects, poll_s=0)

    @classmethod
    def open(cls, config_file: Path | None, data_dir: Path) -> BlockTool:
        """Open the store of a configuration, or the one below a data folder. Raises ConfigError, StorageError."""
        loaded = config.load(config_file) if config_file else config.Config()
        settings = loaded.storage.trace
        path = settings.local.path or data_dir / "blocks"
        if settings.backend == "local" and not path.is_dir():
            msg = f"there are no blocks at {path}; say where by --data-dir or --config"
            raise ConfigError(msg)
        tenants = TenantSettings(loaded.overrides)
        tenants.load()
        return cls(
            open_trace_store(settings, path),
            may_retire=settings.adopt_tempo_blocks,
            limits=loaded.compactor.compaction.limits(),
            node=StoppedNode(data_dir, settings.wal.path),
            settings=tenants,
        )

    def tenants(self, only: str | None) -> list[str]:
        """Return the tenants to look at. Raises InvalidTenant."""
        return self.blocks.every_tenant() if only is None else [check_tenant(only)]

    def listed(self, tenant: str) -> Iterator[Listed]:
        """Yield a tenant's blocks: ours, then Tempo's, newest first each."""
        ours = self.blocks.snapshot(tenant)
        records = self.blocks.block_list(tenant).blocks.values()
        for record in sorted(records, key=lambda record: -record["end_ns"]):
            note = ours.set_aside.get(record["id"], "")
            yield _listed(tenant, record, f"damaged: {note}" if note else "")
        found = [self._listed_tempo(tenant, block) for block in self.blocks.tempo_blocks(tenant).blocks.values()]
        yield from sorted(found, key=lambda listed: -listed.end_ns)

    def inspect(self, block_id: str, only: str | None) -> tuple[Listed, Mapping[str, ColumnMeta]]:
        """Return a block and its attribute columns; one of Tempo's is decoded for it. Raises NoSuchBlock."""
        for tenant in self.tenants(only):
            listed = next((each for each in self.listed(tenant) if each.id == block_id), None)
            if listed is not None and listed.format == OURS:
                return listed, self._open(tenant, block_id).meta.columns
            if listed is not None:
                groups = row_groups(self.blocks.tempo_blocks(tenant).blocks[block_id])
                return listed, join_columns(group.meta.columns for group in groups)
        msg = f"there is no block {block_id}"
        raise NoSuchBlock(msg)

    def verify(self, tenant: str, only: Sequence[str]) -> Iterator[Checked]:
        """Read a tenant's blocks wholly, or some of them, and yield what is wrong with each."""
        listed = self.blocks.block_list(tenant).blocks
        for block_id in [block_id for block_id in listed if not only or block_id in only]:
            yield Checked(tenant, block_id, tuple(self._damage(tenant, block_id)))
        tempo = self.blocks.tempo_blocks(tenant)
        for block_id, block in tempo.blocks.items():
            if not only or block_id in only:
                yield Checked(tenant, block_id, tuple(block.find_damage()))
        for block_id, why in tempo.set_aside.items():
            if not only or block_id in only:
                yield Checked(tenant, block_id, (("", why),))

    def compact(
        self, tenant: str, max_time_s: float, threads: int, progress: Callable[[Compacted, int], None]
    ) -> Sequence[Compacted]:
        """Compact a tenant's blocks until no more belong together, as so many of Dask's tasks side by side."""
        limits = replace(self._limits, max_time_per_tenant_s=max_time_s)
        return compact_tenant(self.blocks, tenant, limits, run=on_threads(threads), progress=progress)

    def retention(self, tenant: str) -> int:
        """Return how long a tenant's spans are kept, in nanoseconds; 0 for ever."""
        own = self._settings and nanoseconds(self._settings.of(tenant).compaction.block_retention)
        return own or self._limits.block_retention

    def expired(self, tenant: str, retention_ns: int) -> list[Listed]:
        """Return the blocks whose spans all arrived longer ago than that."""
        return [_listed(tenant, record) for record in expired(self.blocks, tenant, retention_ns, time.time_ns())]

    def expire(self, tenant: str, retention_ns: int) -> list[str]:
        """Take these blocks off the list, and return their ids. Raises CommitConflict where others change them."""
        return expire(self.blocks, tenant, retention_ns, time.time_ns())

    def delete_unread(self, tenant: str, threads: int, progress: Callable[[Deleted, int], None]) -> Sequence[Deleted]:
        """Delete the files of blocks that nobody lists or reads any more, as so many of Dask's tasks side by side."""
        grace_ns = self._limits.compacted_block_retention
        return delete_unread(self.blocks, tenant, grace_ns, time.time_ns(), run=on_threads(threads), progress=progress)

    def unconverted(self, tenant: str, only: Sequence[str]) -> list[tuple[TempoBlock, int]]:
        """Return Tempo's blocks of a tenant that are not wholly converted, each with the traces that are left."""
        found = self.blocks.tempo_blocks(tenant).blocks.items()
        blocks = [block for block_id, block in found if not only or block_id in only]
        left = [(block, self.blocks.unconverted(tenant, block)) for block in blocks]
        return [(block, sum(group.meta.trace_count for group in groups)) for block, groups in left if groups]

    def convert(self, tenant: str, block: TempoBlock) -> Iterator[int]:
        """Convert what is left of a block, and yield the traces of each row group as it is done."""
        groups = self.blocks.unconverted(tenant, block)
        for group, _ in zip(groups, self.blocks.convert(tenant, block), strict=True):
            yield group.meta.trace_count
        if self._may_retire:
            self.blocks.retire(tenant, block)

    def find_by_query(self, tenant: str, query: str) -> list[bytes]:
        """Return the ids of the traces in which spans match a TraceQL query. Raises traceql.TraceQLError."""
        spans = Store(self.blocks, tenant).spans(query)
        return sorted(map(bytes.fromhex, set(spans["trace_id"].compute())))

    def find_by_id(self, tenant: str, trace_ids: Sequence[bytes]) -> Mapping[str, int]:
        """Return which blocks hold any of the traces, and how many of them. Raises what reading raises."""
        return find_traces(self.blocks, tenant, trace_ids).blocks

    def tempo_blocks_with(self, tenant: str, trace_ids: Sequence[bytes]) -> list[str]:
        """Return the blocks of Tempo's, converted or not, that hold any of the traces: nothing is erased from them."""
        return self.blocks.not_ours_holding(tenant, np.frombuffer(b"".join(trace_ids), np.uint8).reshape(-1, 16))

    def flush(self) -> bool:
        """Make blocks of what the log in the data folder holds; False where a server works there, or none ever did."""
        return self._node is not None and self._node.flush(self.blocks)

    def hide(self, tenant: str, trace_ids: Sequence[bytes], grace_s: float) -> str:
        """Hide traces from every query that begins now, and return the id of the erasure."""
        return hide_traces(self.blocks, tenant, trace_ids, grace_s=grace_s)

    def hidden(self, tenant: str) -> Mapping[str, ErasureRecord]:
        """Return the erasures that are not finished."""
        return self.blocks.block_list(tenant).hidden

    def finish(
        self,
        tenant: str,
        erasure_ids: Sequence[str],
        wait_s: float,
        progress: Callable[[str], None],
        lost: Sequence[str],
    ) -> None:
        """Take hidden traces out of all files; nodes that are `lost` are not waited for. Raises EraseUnfinished."""
        if self._node is not None:
            self._node.clear(self.blocks, tenant, erasure_ids)
        for erasure_id, node in product(erasure_ids, lost):
            give_up_node(self.blocks, tenant, erasure_id, node)
        wait_until_gone(self.blocks, tenant, erasure_ids, wait_s=wait_s, progress=progress)

    def _listed_tempo(self, tenant: str, block: TempoBlock) -> Listed:
        groups = range(block.row_groups)
        left = len(self.blocks.unconverted(tenant, block))
        times = [block.times(group) for group in groups]
        return Listed(
            tenant=tenant,
            id=block.meta.id,
            format=block.meta.format,
            spans=sum(map(block.span_count, groups)),
            traces=sum(map(block.trace_count, groups)),
            start_ns=min((start for start, _ in times), default=0),
            end_ns=max((end for _, end in times), default=0),
            size_bytes=block.meta.size_bytes,
            level=block.meta.compaction_level,
            note="" if left == len(groups) else f"converted: {len(groups) - left} of {len(groups)} row groups",
        )

    def _open(self, tenant: str, block_id: str) -> Block:
        opened = map(unveiled, self.blocks.snapshot(tenant).blocks)
        found = [block for block in opened if isinstance(block, Block) and block.meta.id == block_id]
        if not found:
            msg = f"block {block_id} cannot be opened; `tempo-dask blocks verify {block_id}` says why"
            raise NoSuchBlock(msg)
        return found[0]

    def _damage(self, tenant: str, block_id: str) -> Iterator[tuple[str, str]]:
        snapshot = self.blocks.snapshot(tenant)
        if (why := snapshot.set_aside.get(block_id)) is not None:
            yield "", why
            return
        files = StoredFiles(self._objects, f"{tenant}/{block_id}")
        yield from find_damage(self._open(tenant, block_id).block_meta, files)


def _listed(tenant: str, record: BlockRecord, note: str = "") -> Listed:
    return Listed(
        tenant=tenant,
        id=record["id"],
        format=OURS,
        spans=record["span_count"],
        traces=record["trace_count"],
        start_ns=record["start_ns"],
        end_ns=record["end_ns"],
        size_bytes=record["size_bytes"],
        level=record.get("level", 0),
        note=note,
    )
