"""Blocks of all tenants in an object store: published through the commit log, opened once, swept when not listed.

A block is the folder `<tenant>/<block id>/`. Its files are durable, names and all, before the entry of the log that
lists it is created; so no list ever names a block that a power cut can take. A folder that no list names is never
read: it is a block being written, one that was removed from the list, or what a crash left (see `storage.sweep`).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from storage.block.files import StoredFiles
from storage.block.meta import DESCRIPTION, BlockMeta
from storage.block.writer import Origin
from storage.block_format import BlockFormat, ParquetFormat
from storage.block_list import BlockList, BlockRecord, WalRange
from storage.columns import ScanSource
from storage.commit_log import AlreadyFlushed, CommitConflict, CommitLog
from storage.errors import DamagedBlock, StorageError
from storage.merge_parts import TraceIds
from storage.object_store import ObjectStore, StoreUnavailable
from storage.parallel import in_parallel
from storage.sweep import MAX_PUBLISH_NS, delete_block, sweep
from storage.tenants import check_tenant, is_tenant

log = logging.getLogger(__name__)

#: A block that could not be opened is tried again after so long.
RETRY_S = 10.0
PARALLEL_OPENS = 8


class PublishTooSlow(StorageError):
    """A block took so long to write that its files may be swept as a leftover; it was not listed."""


@dataclass(frozen=True, slots=True)
class BlockSnapshot:
    """A tenant's blocks at one entry of the commit log; it stays right while queries run on it.

    `flushed` says for each node up to which of its records these blocks hold everything. `set_aside` says of
    blocks that could not be opened why: what is answered without them is partial.
    """

    number: int
    blocks: tuple[ScanSource, ...]
    flushed: Mapping[str, int]
    set_aside: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _SetAside:
    """A block that could not be opened."""

    reason: str
    retry_at: float  # on the monotonic clock, seconds


class BlockStore:
    """The blocks in an object store. Methods may be called from many threads; all raise StoreUnavailable."""

    def __init__(
        self,
        objects: ObjectStore,
        *,
        block_format: BlockFormat | None = None,
        clock: Callable[[], int] = time.time_ns,
        forget: Callable[[str], None] = lambda _block_id: None,
    ) -> None:
        """Use a store; `forget` is told of each block that was opened here and has left the list since."""
        self._objects = objects
        self._forget = forget
        self._format = block_format or ParquetFormat()
        self._clock = clock
        self._lock = threading.Lock()
        self._logs: dict[str, CommitLog] = {}
        self._opened: dict[str, dict[str, ScanSource | _SetAside]] = {}

    def tenants(self) -> list[str]:
        """Return the names of all tenants that have a commit log, rising."""
        with self._lock:
            known = set(self._logs)
        names = [name for name in self._objects.folders("") if is_tenant(name)]
        return [name for name in names if name in known or "log" in self._objects.folders(name)]

    def block_list(self, tenant: str) -> BlockList:
        """Return what the commit log lists now, without opening anything. Raises InvalidTenant, BrokenLog."""
        commits = self._log(tenant)
        listed = commits.read()
        if listed.number > 0:  # anybody can ask for any tenant: those without a log leave no trace
            with self._lock:
                self._logs.setdefault(tenant, commits)
        return listed

    def snapshot(self, tenant: str, window: tuple[int, int] | None = None) -> BlockSnapshot:
        """Return the newest list, opened; with a `window` (nanoseconds, inclusive) only blocks with traces in it.

        It holds everything this process has published. Blocks that cannot be opened are set aside, with a warning,
        and tried again later. Raises InvalidTenant, BrokenLog.
        """
        listed = self.block_list(tenant)
        wanted = [block_id for block_id, record in listed.blocks.items() if _overlaps(record, window)]
        opened = self._open_all(tenant, wanted, listed)
        blocks = tuple(block for block in opened.values() if not isinstance(block, _SetAside))
        set_aside = {block_id: block.reason for block_id, block in opened.items() if isinstance(block, _SetAside)}
        return BlockSnapshot(listed.number, blocks, listed.flushed, set_aside)

    def publish(
        self,
        tenant: str,
        sources: Sequence[ScanSource],
        *,
        node: str,
        first_seq: int,
        last_seq: int,
        arrived_ns: tuple[int, int],
    ) -> BlockMeta | None:
        """Write the spans of a tenant's records `first_seq` to `last_seq` of a node as a block, and list it.

        `sources` hold these spans; `arrived_ns` says when the first and the last record arrived. Once this returns,
        the records may leave that node's log: the block is durable and so is the number. Records that hold no spans
        make no block (None), but move the number on.

        Raises AlreadyFlushed where any of these records is in blocks already, as they may be when an earlier call
        failed on its last step: then look at `snapshot(tenant).flushed`. After any other error they are not listed,
        except that after StoreUnavailable they may be, or on a remote store may yet come to be.
        """
        commits, covered = self._log(tenant), {node: WalRange(first_seq, last_seq)}
        if (done := commits.read().flushed.get(node, 0)) >= first_seq:
            msg = f"node {node} has flushed up to {done}, so {first_seq} to {last_seq} cannot be published"
            raise AlreadyFlushed(msg)
        if not any(source.meta.span_count for source in sources):
            commits.commit(flushed=covered)
            return None
        origin = Origin(str(uuid.uuid4()), tenant, node, first_seq, last_seq, arrived_ns)
        meta = self._write(sources, origin)
        self._list(commits, meta, flushed=covered)
        return meta

    def replace(self, tenant: str, inputs: Sequence[str]) -> BlockMeta:
        """Write the spans of some blocks, each once, as one block, and list it in their place.

        Raises CommitConflict where one of them is not in the list any more, at the start or at the end; DamagedBlock,
        or what reading raises, where one cannot be read. Then nothing has changed. After StoreUnavailable it may have.
        """
        commits = self._log(tenant)
        records = _records_of(commits.read(), inputs)
        blocks = [self._opened_block(tenant, record) for record in records]
        arrived_ns = (min(first_arrival(r) for r in records), max(r["arrived_ns"] for r in records))
        meta = self._write(blocks, Origin(str(uuid.uuid4()), tenant, arrived_ns=arrived_ns))
        level = 1 + max(level_of(record) for record in records)
        self._list(commits, meta, level=level, remove=inputs)
        return meta

    def remove(self, tenant: str, block_ids: Sequence[str]) -> None:
        """Take blocks off the list. Raises CommitConflict where one is not in the list any more; then all stay."""
        self._log(tenant).commit(remove=block_ids)

    def erase(self, tenant: str, trace_ids: TraceIds) -> list[str]:
        """Take traces (n, 16) out of all blocks in one step, and return the ids of the blocks that held them.

        Once this returns no newer list has the traces; the files of the old blocks stay until they are swept. Raises
        CommitConflict where blocks change meanwhile, which may be tried again, and DamagedBlock where one cannot be
        searched; then nothing has changed. After StoreUnavailable it may have.
        """
        commits = self._log(tenant)
        listed = commits.read()
        opened = [(record, self._opened_block(tenant, record)) for record in listed.blocks.values()]
        wanted = np.unique(trace_ids, axis=0)
        held = [(r, block, found) for r, block in opened if (found := int((block.find(wanted) >= 0).sum()))]
        if not held:
            return []
        added = [
            _record(self._without(tenant, record, block, wanted), level_of(record))
            for record, block, found in held
            if found < block.meta.trace_count
        ]
        old = [record["id"] for record, _, _ in held]
        try:
            commits.commit(add=added, remove=old)
        except CommitConflict:
            for record in added:
                self._discard(f"{tenant}/{record['id']}")
            raise
        return old

    def _without(self, tenant: str, record: BlockRecord, block: ScanSource, trace_ids: TraceIds) -> BlockMeta:
        """Write a block anew without some traces; it is not listed yet."""
        origin = Origin(str(uuid.uuid4()), tenant, arrived_ns=(first_arrival(record), record["arrived_ns"]))
        return self._write([block], origin, without=trace_ids)

    def sweep(self, tenant: str, *, removed_grace_ns: int) -> list[str]:
        """Delete the files of blocks that nobody lists or reads any more; return their ids."""
        return sweep(self._objects, tenant, self._log(tenant).read, self._clock(), removed_grace_ns)

    def holds_files(self, tenant: str, block_id: str) -> bool:
        """Return whether any file of a block is there, listed or not."""
        return bool(self._objects.list(f"{tenant}/{block_id}"))

    def _log(self, tenant: str) -> CommitLog:
        check_tenant(tenant)
        with self._lock:
            return self._logs.get(tenant) or CommitLog(self._objects, tenant, clock=self._clock)

    def _store(self, prefix: str, files: Mapping[str, bytes | pa.Buffer]) -> None:
        """Store the files of a block durably, the description first."""
        names = sorted(files, key=lambda name: name != DESCRIPTION)
        keys = [f"{prefix}/{name}" for name in names]
        try:
            for key, name in zip(keys, names, strict=True):
                self._objects.put(key, memoryview(files[name]))
            self._objects.sync(keys)
        except StoreUnavailable:
            self._discard(prefix)  # the disk may be full: give back what it took
            raise

    def _write(self, sources: Sequence[ScanSource], origin: Origin, *, without: TraceIds | None = None) -> BlockMeta:
        """Make a block durable that is not listed yet. Raises PublishTooSlow."""
        started_ns = self._clock()
        block = self._format.write(sources, origin, without=without)
        self._store(f"{origin.tenant}/{origin.id}", block.files)
        if self._clock() - started_ns > MAX_PUBLISH_NS:
            msg = f"block {origin.id} took too long to write"
            raise PublishTooSlow(msg)
        return block.meta

    def _list(
        self,
        commits: CommitLog,
        meta: BlockMeta,
        *,
        level: int = 0,
        remove: Sequence[str] = (),
        flushed: Mapping[str, WalRange] | None = None,
    ) -> None:
        try:
            commits.commit(add=[_record(meta, level)], remove=remove, flushed=flushed)
        except CommitConflict:
            self._discard(f"{meta.tenant}/{meta.id}")
            raise

    def _discard(self, prefix: str) -> None:
        """Delete the files of a block that will not be listed, as far as that can be done now."""
        with contextlib.suppress(StoreUnavailable):
            delete_block(self._objects, self._objects.list(prefix))

    def _open_all(self, tenant: str, wanted: Sequence[str], listed: BlockList) -> dict[str, ScanSource | _SetAside]:
        """Return the wanted blocks, in order, opened now or before."""
        with self._lock:
            kept = self._opened.setdefault(tenant, {}) if listed.number > 0 else {}
            gone = kept.keys() - listed.blocks.keys()
            for block_id in gone:
                del kept[block_id]
            opened = {block_id: kept[block_id] for block_id in wanted if block_id in kept}
        for block_id in gone:
            self._forget(block_id)
        now = time.monotonic()
        absent = [b for b in wanted if b not in opened or (isinstance(o := opened[b], _SetAside) and o.retry_at <= now)]
        if absent:
            blocks = in_parallel(lambda block_id: self._open(tenant, block_id), absent, PARALLEL_OPENS)
            found = dict(zip(absent, blocks, strict=True))
            opened |= found
            with self._lock:
                kept.update(found)
        return {block_id: opened[block_id] for block_id in wanted}

    def _opened_block(self, tenant: str, record: BlockRecord) -> ScanSource:
        """Return a listed block to read all of. Raises DamagedBlock where it is set aside."""
        with self._lock:
            kept = self._opened.get(tenant, {}).get(record["id"])
        block = kept if kept is not None and not isinstance(kept, _SetAside) else self._open(tenant, record["id"])
        if isinstance(block, _SetAside):
            msg = f"block {record['id']} cannot be opened: {block.reason}"
            raise DamagedBlock(msg)
        return block

    def _open(self, tenant: str, block_id: str) -> ScanSource | _SetAside:
        try:
            block = self._format.open(StoredFiles(self._objects, f"{tenant}/{block_id}"))
            if (block.meta.tenant, block.meta.id) != (tenant, block_id):
                msg = f"it says that it is block {block.meta.id} of tenant {block.meta.tenant}"
                raise DamagedBlock(msg)
        except (StorageError, OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
            log.warning("block %s of tenant %s is set aside: %s", block_id, tenant, error)
            return _SetAside(str(error), time.monotonic() + RETRY_S)
        return block


def _record(meta: BlockMeta, level: int) -> BlockRecord:
    """Return what the log keeps of a block: what listing, pruning by time, compaction and retention need."""
    return {
        "id": meta.id,
        "node": meta.node,
        "first_seq": meta.first_seq,
        "last_seq": meta.last_seq,
        "first_arrived_ns": meta.arrived_ns[0],
        "arrived_ns": meta.arrived_ns[1],
        "start_ns": meta.source.start_ns,
        "end_ns": meta.source.end_ns,
        "span_count": meta.source.span_count,
        "trace_count": meta.source.trace_count,
        "size_bytes": meta.size_bytes,
        "level": level,
    }


def level_of(record: BlockRecord) -> int:
    """Return how often a block's spans were compacted, at most."""
    return int(record.get("level", 0))


def first_arrival(record: BlockRecord) -> int:
    """Return when the first of a block's spans arrived, as far as the log knows."""
    return int(record.get("first_arrived_ns", record["arrived_ns"]))


def _records_of(listed: BlockList, block_ids: Sequence[str]) -> list[BlockRecord]:
    if gone := [block_id for block_id in block_ids if block_id not in listed.blocks]:
        msg = f"blocks {', '.join(gone)} are not in the list any more"
        raise CommitConflict(msg)
    return [listed.blocks[block_id] for block_id in block_ids]


def _overlaps(record: BlockRecord, window: tuple[int, int] | None) -> bool:
    return window is None or (record["start_ns"] <= window[1] and window[0] <= record["end_ns"])
