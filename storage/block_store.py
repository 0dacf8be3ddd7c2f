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

import pyarrow as pa

from storage.block.files import StoredFiles
from storage.block.listed import Listed, described_by
from storage.block.meta import DESCRIPTION, BlockMeta
from storage.block.writer import Origin
from storage.block_format import BlockFormat, ParquetFormat
from storage.block_list import BlockList, BlockRecord, WalRange
from storage.columns import ScanSource
from storage.commit_log import AlreadyFlushed, BrokenLog, CommitConflict, CommitLog, Erasing, TracesHidden
from storage.errors import DamagedBlock, StorageError
from storage.hidden import NOTHING_HIDDEN, HiddenIds, HiddenTraces
from storage.merge_parts import TraceIds
from storage.object_store import ObjectMissing, ObjectStore, StoreUnavailable
from storage.parallel import in_parallel
from storage.sweep import MAX_PUBLISH_NS, delete_block, sweep
from storage.tenants import check_tenant, is_tenant
from storage.veil import veil_all

log = logging.getLogger(__name__)

#: A block that could not be opened is tried again after so long.
RETRY_S = 10.0
#: Blocks a network away that are opened at once: each waits for one answer.
PARALLEL_OPENS = 32


class PublishTooSlow(StorageError):
    """A block took so long to write that its files may be swept as a leftover; it was not listed."""


@dataclass(frozen=True, slots=True)
class BlockSnapshot:
    """A tenant's blocks at one entry of the commit log; it stays right while queries run on it.

    `flushed` says for each node up to which of its records these blocks hold everything. `set_aside` says of
    blocks that could not be opened why: what is answered without them is partial. The blocks are seen without the
    traces `hidden`, which must not be shown of live spans either.
    """

    number: int
    blocks: tuple[ScanSource, ...]
    flushed: Mapping[str, int]
    set_aside: Mapping[str, str]
    hidden: HiddenTraces = NOTHING_HIDDEN


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
        self.hidden_ids = HiddenIds(objects)
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
        listed, hidden = self._listed_hidden(tenant)
        wanted = [block_id for block_id, record in listed.blocks.items() if _overlaps(record, window)]
        opened = self._open_all(tenant, wanted, listed)
        set_aside = {block_id: block.reason for block_id, block in opened.items() if isinstance(block, _SetAside)}
        sources = [block for block in opened.values() if not isinstance(block, _SetAside)]
        blocks, unsearchable = veil_all(sources, hidden)
        return BlockSnapshot(listed.number, blocks, listed.flushed, {**set_aside, **unsearchable}, hidden)

    def hidden(self, tenant: str) -> HiddenTraces:
        """Return which traces of a tenant must not be shown now. Raises InvalidTenant, BrokenLog."""
        return self._listed_hidden(tenant)[1]

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
        while True:
            listed, hidden = self._listed_hidden(tenant)
            if not _is_anything_left(sources, hidden.ids):
                commits.commit(flushed=covered)
                return None
            origin = Origin(str(uuid.uuid4()), tenant, node, first_seq, last_seq, arrived_ns)
            meta = self._write(sources, origin, without=hidden.ids)
            try:
                self._list(commits, meta, flushed=covered, as_of=listed.number)
            except TracesHidden:
                continue  # it may hold some of them
            return meta

    def replace(self, tenant: str, inputs: Sequence[str]) -> BlockMeta:
        """Write the spans of some blocks, each once, as one block, and list it in their place.

        Raises CommitConflict where one of them is not in the list any more, at the start or at the end; DamagedBlock,
        or what reading raises, where one cannot be read. Then nothing has changed. After StoreUnavailable it may have.
        """
        commits = self._log(tenant)
        listed, hidden = self._listed_hidden(tenant)
        records = _records_of(listed, inputs)
        blocks = [self._opened_block(tenant, record) for record in records]
        if not _is_anything_left(blocks, hidden.ids):
            self.remove(tenant, inputs)
            msg = f"all traces of blocks {', '.join(inputs)} are hidden, so the blocks left the list"
            raise CommitConflict(msg)
        arrived_ns = (min(first_arrival(r) for r in records), max(r["arrived_ns"] for r in records))
        meta = self._write(blocks, Origin(str(uuid.uuid4()), tenant, arrived_ns=arrived_ns), without=hidden.ids)
        level = 1 + max(level_of(record) for record in records)
        self._list(commits, meta, level=level, remove=inputs, as_of=listed.number)
        return meta

    def remove(self, tenant: str, block_ids: Sequence[str]) -> None:
        """Take blocks off the list. Raises CommitConflict where one is not in the list any more; then all stay."""
        self._log(tenant).commit(remove=block_ids)

    def count_held(self, tenant: str, block_id: str, trace_ids: TraceIds) -> int:
        """Return how many of the traces (n, 16) a listed block holds, hidden or not; 0 where it left the list.

        Raises DamagedBlock where it cannot be searched.
        """
        record = self.block_list(tenant).blocks.get(block_id)
        return 0 if record is None else int((self._opened_block(tenant, record).find(trace_ids) >= 0).sum())

    def rewrite(self, tenant: str, block_id: str) -> None:
        """Put a block without all hidden traces in the place of one that holds some.

        Raises CommitConflict where it is not in the list any more, at the start or at the end, or where more traces
        were hidden meanwhile; DamagedBlock, or what reading raises, where it cannot be read. Then nothing has changed.
        """
        listed, hidden = self._listed_hidden(tenant)
        [record] = _records_of(listed, [block_id])
        block = self._opened_block(tenant, record)
        if not _is_anything_left([block], hidden.ids):
            self.remove(tenant, [block_id])
            return
        origin = Origin(str(uuid.uuid4()), tenant, arrived_ns=(first_arrival(record), record["arrived_ns"]))
        meta = self._write([block], origin, without=hidden.ids)
        self._list(self._log(tenant), meta, level=level_of(record), remove=[block_id], as_of=listed.number)

    def not_ours_holding(self, tenant: str, trace_ids: TraceIds) -> list[str]:  # noqa: ARG002  # for stores with some
        """Return blocks beside ours that hold any of the traces (n, 16), and from which nothing can be taken."""
        return []

    def sweep(self, tenant: str, *, removed_grace_ns: int) -> list[str]:
        """Delete the files of blocks that nobody lists or reads any more; return their ids."""
        return sweep(self._objects, tenant, self._log(tenant).read, self._clock(), removed_grace_ns)

    def known_tenants(self) -> list[str]:
        """Return the tenants with a log that were looked at here."""
        with self._lock:
            return list(self._logs)

    @property
    def objects(self) -> ObjectStore:
        """Where the blocks are stored."""
        return self._objects

    @property
    def block_format(self) -> BlockFormat:
        """How the blocks are written and opened."""
        return self._format

    def commit_erasing(self, tenant: str, erasing: Erasing) -> BlockList:
        """Note in the log what was done for erasures. Raises CommitConflict where one of them is over."""
        return self._log(tenant).commit(erasing=erasing)

    def _listed_hidden(self, tenant: str) -> tuple[BlockList, HiddenTraces]:
        """Return the newest list and the traces that it hides. Raises DamagedIds, BrokenLog."""
        listed = self.block_list(tenant)
        while True:
            try:
                return listed, self.hidden_ids.load(tenant, listed.hidden)
            except ObjectMissing as error:
                newer = self.block_list(tenant)
                if newer.number == listed.number:
                    msg = f"{error}: it cannot be told which traces are hidden"
                    raise BrokenLog(msg) from error
                listed = newer  # the erasure was over before its ids were read

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
        block = self._format.write(sources, origin, without=without if without is not None and len(without) else None)
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
        as_of: int,
    ) -> None:
        try:
            commits.commit(add=[_record(meta, level)], remove=remove, flushed=flushed, as_of=as_of)
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
            threads = PARALLEL_OPENS if self._objects.local_path(DESCRIPTION) is None else 1  # files wait for nobody
            blocks = in_parallel(lambda block_id: self._open(tenant, listed.blocks[block_id]), absent, threads)
            found = dict(zip(absent, blocks, strict=True))
            opened |= found
            with self._lock:
                kept.update(found)
        return {block_id: opened[block_id] for block_id in wanted}

    def _opened_block(self, tenant: str, record: BlockRecord) -> ScanSource:
        """Return a listed block to read all of. Raises DamagedBlock where it is set aside."""
        with self._lock:
            kept = self._opened.get(tenant, {}).get(record["id"])
        block = kept if kept is not None and not isinstance(kept, _SetAside) else self._open(tenant, record)
        if isinstance(block, _SetAside):
            msg = f"block {record['id']} cannot be opened: {block.reason}"
            raise DamagedBlock(msg)
        return block

    def _open(self, tenant: str, record: BlockRecord) -> ScanSource | _SetAside:
        block_id = record["id"]
        try:
            block = self._format.open(StoredFiles(self._objects, f"{tenant}/{block_id}"), Listed(tenant, record))
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
        **described_by(meta),
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


def _is_anything_left(sources: Sequence[ScanSource], without: TraceIds) -> bool:
    """Return whether sources hold more than the traces `without` (n, 16, none twice)."""
    if not len(without):
        return any(source.meta.span_count for source in sources)
    return any(int((source.find(without) >= 0).sum()) < source.meta.trace_count for source in sources)


def _overlaps(record: BlockRecord, window: tuple[int, int] | None) -> bool:
    return window is None or (record["start_ns"] <= window[1] and window[0] <= record["end_ns"])
