"""The commit log: one truth per tenant, shared by any number of processes and machines.

Entry n is the object `<tenant>/log/<n, 20 digits>.json`, and whoever creates it first has committed. A writer reads
all entries, checks that its change still makes sense, and creates the next number; where that is taken, it reads
the newcomer and tries again. So entries have no gaps, readers never see half a change, and of two compactions with
a common input one gives up. `docs/adr/0102-commit-log.md` has the reasons.

Every 100th entry is followed by a checkpoint, `<tenant>/checkpoints/<n>.json`, which only saves reading: entries
are kept, since a writer that slept for long could else create a number that was used and forgotten.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from storage.block_list import BlockList, BlockRecord, ErasureRecord, LogEntry, WalRange
from storage.errors import StorageError
from storage.object_store import ObjectMissing, ObjectStore, StoreUnavailable
from storage.parallel import in_parallel
from storage.sealed_json import DamagedDocument
from storage.tenants import check_tenant

log = logging.getLogger(__name__)

CHECKPOINT_EVERY = 100
CHECKPOINTS_KEPT = 2
PARALLEL_READS = 16
#: A number that is taken but cannot be read means a broken store; give up after so many looks.
MAX_IDLE_ATTEMPTS = 20


class CommitConflict(StorageError):
    """A commit no longer makes sense: one of its inputs is gone. Nothing was changed."""


class AlreadyFlushed(CommitConflict):
    """Records of that range are in blocks already, by an earlier commit of the same node. Nothing was changed."""


class TracesHidden(CommitConflict):
    """Traces were hidden since blocks to be added were begun, so they may hold them. Nothing was changed."""


class BrokenLog(StorageError):
    """An entry of the log is missing or damaged, so what stands behind it cannot be told."""


@dataclass(frozen=True, slots=True)
class Erasing:
    """What a commit says of erasures: which begin, what a node has done for them (erasure id: node), which are over.

    `joined` are nodes that hold spans of the tenant and of which the log did not know: an erasure waits for them.
    """

    hide: Sequence[ErasureRecord] = ()
    cleared: Mapping[str, str] = field(default_factory=dict)
    erased: Sequence[str] = ()
    joined: Sequence[str] = ()


NOTHING_ERASED = Erasing()


class CommitLog:
    """The log of one tenant. Methods may be called from many threads; all raise StoreUnavailable and BrokenLog."""

    def __init__(self, store: ObjectStore, tenant: str, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Open the log, which need not exist; nothing is read yet. Raises InvalidTenant."""
        self._store = store
        self._tenant = check_tenant(tenant)
        self._clock = clock
        self._lock = threading.Lock()
        self._list: BlockList | None = None
        self._unsure: str | None = None

    def read(self) -> BlockList:
        """Return the newest list; it holds every commit that returned before this call, here or elsewhere."""
        with self._lock:
            self._settle()
            current = self._list or self._start()
            while (entry := self._entry(current.number + 1)) is not None:
                current = current.apply(entry)
            self._list = current
            return current

    def commit(
        self,
        *,
        add: Sequence[BlockRecord] = (),
        remove: Sequence[str] = (),
        flushed: Mapping[str, WalRange] | None = None,
        as_of: int | None = None,
        erasing: Erasing = NOTHING_ERASED,
    ) -> BlockList:
        """Change the list in one step, and return one that has the change.

        `as_of` is the entry whose hidden traces the blocks of `add` do not hold (None: none was looked at).

        Raises CommitConflict where a block of `remove` is not in the list or one of `add` is, or where `erasing` goes
        on with what is not hidden; TracesHidden where some were hidden after `as_of`; and AlreadyFlushed where a range
        of `flushed` is not wholly behind what that node has flushed. After StoreUnavailable the change may have
        happened or, on a remote store, may still happen; committing the same range again tells.
        """
        ranges = dict(flushed or {})
        writer = str(uuid.uuid4())
        idle = 0
        while idle < MAX_IDLE_ATTEMPTS:
            base = self.read()
            _check(base, add, remove, ranges)
            _check_hidden(base, erasing, as_of if add else None)
            flushed_to = {**dict.fromkeys(erasing.joined, 0), **{node: each.last for node, each in ranges.items()}}
            entry = LogEntry(
                number=base.number + 1,
                writer=writer,
                written_ns=self._clock(),
                add=add,
                remove=remove,
                flushed=flushed_to,
                hide=erasing.hide,
                cleared=erasing.cleared,
                erased=erasing.erased,
            )
            if self._create(entry):
                if entry.number % CHECKPOINT_EVERY == 0:
                    self._write_checkpoint(base.apply(entry))
                return self.read()
            idle = 0 if self.read().number > base.number else idle + 1
            time.sleep(random.uniform(0, 0.005 * (1 + idle)))  # noqa: S311  # spreads writers, guards nothing
        msg = f"{self._key('log', base.number + 1)} is taken, but cannot be read"
        raise StoreUnavailable(msg)

    def _create(self, entry: LogEntry) -> bool:
        """Create an entry, and say whether it is in the log."""
        key = self._key("log", entry.number)
        try:
            if self._store.put_if_absent(key, entry.encode()):
                return True
        except StoreUnavailable:
            with self._lock:
                self._unsure = key
            raise
        # A store that lost its answer and was asked again says that the key is taken: by ourselves.
        taken = self._entry(entry.number)
        return taken is not None and taken.writer == entry.writer

    def _settle(self) -> None:
        """Make an entry durable whose creation failed half-way, if it is there, before anybody trusts in it."""
        if self._unsure is not None:
            try:
                self._store.sync([self._unsure])
            except ObjectMissing:
                log.debug("%s was not created", self._unsure)
            self._unsure = None

    def _entry(self, number: int) -> LogEntry | None:
        key = self._key("log", number)
        try:
            entry = LogEntry.decode(key, self._store.get(key))
        except ObjectMissing:
            return None
        except DamagedDocument as error:
            raise BrokenLog(str(error)) from error
        if entry.number != number:
            msg = f"{key} holds entry {entry.number}"
            raise BrokenLog(msg)
        return entry

    def _start(self) -> BlockList:
        """Return the list as of the newest entry that was there, from a checkpoint on."""
        current = self._newest_checkpoint()
        listed = self._store.list(f"{self._tenant}/log", self._key("log", current.number))
        newest = max((_number_of(info.key) for info in listed), default=current.number)
        if newest == current.number:
            return current
        # Who created it may have been killed before its name was durable, and we shall act on it.
        self._store.sync([self._key("log", newest)])
        for entry in in_parallel(self._entry, range(current.number + 1, newest + 1), PARALLEL_READS):
            if entry is None:
                msg = f"{self._key('log', current.number + 1)} is missing, but entry {newest} is there"
                raise BrokenLog(msg)
            current = current.apply(entry)
        return current

    def _newest_checkpoint(self) -> BlockList:
        for info in reversed(self._store.list(f"{self._tenant}/checkpoints")):
            try:
                return BlockList.decode(info.key, self._store.get(info.key))
            except (ObjectMissing, DamagedDocument) as error:
                log.warning("commit log: went back to an older checkpoint: %s", error)
        return BlockList()

    def _write_checkpoint(self, blocks: BlockList) -> None:
        """Save readers some reading; the commit has happened, so a failure is only told."""
        key = self._key("checkpoints", blocks.number)
        try:
            self._store.put_if_absent(key, blocks.encode())
            for info in self._store.list(f"{self._tenant}/checkpoints")[:-CHECKPOINTS_KEPT]:
                self._store.delete(info.key)
        except StoreUnavailable as error:
            log.warning("commit log: cannot write %s: %s", key, error)

    def _key(self, kind: str, number: int) -> str:
        return f"{self._tenant}/{kind}/{number:020d}.json"


def _number_of(key: str) -> int:
    name = key.rpartition("/")[2].removesuffix(".json")
    return int(name) if name.isdecimal() else 0


def _check(base: BlockList, add: Sequence[BlockRecord], remove: Sequence[str], flushed: Mapping[str, WalRange]) -> None:
    """Raise CommitConflict where a change does not fit the list."""
    if gone := [block_id for block_id in remove if block_id not in base.blocks]:
        msg = f"blocks {', '.join(gone)} are not in the list any more"
        raise CommitConflict(msg)
    if there := [block["id"] for block in add if block["id"] in base.blocks]:
        msg = f"blocks {', '.join(there)} are in the list already"
        raise CommitConflict(msg)
    for node, each in flushed.items():
        if base.flushed.get(node, 0) >= each.first:
            msg = f"node {node} has flushed up to {base.flushed[node]}, so {each.first} to {each.last} cannot be added"
            raise AlreadyFlushed(msg)


def _check_hidden(base: BlockList, erasing: Erasing, as_of: int | None) -> None:
    """Raise CommitConflict where erasures go on that are over, TracesHidden where blocks know too little of them."""
    if gone := [each for each in (*erasing.cleared, *erasing.erased) if each not in base.hidden]:
        msg = f"the erasures {', '.join(gone)} are over"
        raise CommitConflict(msg)
    if as_of is not None and as_of < base.hid_at:
        msg = f"traces were hidden by entry {base.hid_at}, and the blocks are as of entry {as_of}"
        raise TracesHidden(msg)
