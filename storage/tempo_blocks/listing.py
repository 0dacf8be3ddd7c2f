"""Which of Tempo's blocks lie in an object store: looked up now and then, since nobody tells."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pyarrow as pa

from storage.block.files import StoredFiles
from storage.errors import DamagedBlock, StorageError
from storage.object_store import ObjectStore
from storage.parallel import in_parallel
from storage.tempo_blocks.block import TempoBlock
from storage.tempo_blocks.meta import META
from storage.tenants import check_tenant

log = logging.getLogger(__name__)

POLL_S = 300.0
_PARALLEL_LOOKS = 16
#: So many tenants are remembered, with blocks or without.
_MAX_TENANTS = 10_000


@dataclass(frozen=True, slots=True)
class TempoBlockList:
    """The blocks of a tenant by id as of one look, and why others are not there: they could not be opened."""

    blocks: Mapping[str, TempoBlock] = field(default_factory=lambda: MappingProxyType({}))
    set_aside: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(slots=True)
class _Known:
    """What is known of a tenant's blocks; whoever holds the lock looks again."""

    looking: threading.Lock = field(default_factory=threading.Lock)
    looked_at: float | None = None
    listed: TempoBlockList = field(default_factory=TempoBlockList)


class TempoBlocks:
    """Tempo's blocks in an object store: folders `<tenant>/<uuid>/` with a `meta.json`. For many threads.

    A block that was compacted, or has expired, has `meta.compacted.json` in its place, and is not listed.
    """

    def __init__(
        self, objects: ObjectStore, *, poll_s: float = POLL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """List again after `poll_s` seconds."""
        self._objects = objects
        self._poll_s = poll_s
        self._clock = clock
        self._lock = threading.Lock()
        self._tenants: dict[str, _Known] = {}

    def listed(self, tenant: str, ours: Collection[str]) -> TempoBlockList:
        """Return a tenant's blocks, as of at most `poll_s` ago; the folders `ours` are not looked into.

        Where it is time to look again one caller does, and the others go on with what is known. Raises
        InvalidTenant, StoreUnavailable.
        """
        check_tenant(tenant)
        with self._lock:
            known = self._tenants.get(tenant) or _Known()
            if tenant not in self._tenants:
                if len(self._tenants) >= _MAX_TENANTS:  # anybody can ask for any tenant
                    self._tenants.clear()
                self._tenants[tenant] = known
        is_first = known.looked_at is None
        if self._is_due(known) and known.looking.acquire(blocking=is_first):
            try:
                if self._is_due(known):
                    known.listed = self._look(tenant, ours, known.listed)
                    known.looked_at = self._clock()
            finally:
                known.looking.release()
        return known.listed

    def _is_due(self, known: _Known) -> bool:
        return known.looked_at is None or self._clock() - known.looked_at >= self._poll_s

    def _look(self, tenant: str, ours: Collection[str], before: TempoBlockList) -> TempoBlockList:
        found = [name for name in self._objects.folders(tenant) if name not in ours and is_block_id(name)]
        opened = dict(
            zip(found, in_parallel(lambda b: self._open(tenant, b, before), found, _PARALLEL_LOOKS), strict=True)
        )
        blocks = {block_id: block for block_id, block in opened.items() if isinstance(block, TempoBlock)}
        set_aside = {block_id: why for block_id, why in opened.items() if isinstance(why, str)}
        return TempoBlockList(MappingProxyType(blocks), MappingProxyType(set_aside))

    def _open(self, tenant: str, block_id: str, before: TempoBlockList) -> TempoBlock | str | None:
        """Return a block, why it cannot be opened, or None where there is none that lives."""
        prefix = f"{tenant}/{block_id}"
        if f"{prefix}/{META}" not in {info.key for info in self._objects.list(prefix)}:
            return None
        if (known := before.blocks.get(block_id)) is not None:
            return known
        try:
            return open_tempo_block(self._objects, tenant, block_id)
        except (StorageError, OSError, ValueError, pa.ArrowException) as error:
            log.warning("Tempo's block %s of tenant %s is set aside: %s", block_id, tenant, error)
            return str(error)


def open_tempo_block(objects: ObjectStore, tenant: str, block_id: str) -> TempoBlock:
    """Open a block of Tempo's. Raises DamagedBlock, and what the store raises."""
    block = TempoBlock(StoredFiles(objects, f"{tenant}/{block_id}"), tenant)
    if block.meta.id != block_id:
        msg = f"it says that it is block {block.meta.id}"
        raise DamagedBlock(msg)
    return block


def is_block_id(name: str) -> bool:
    """Return whether a folder's name is one that blocks have."""
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
