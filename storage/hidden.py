"""Which traces no reader may show: the ids of erasures that go on, in objects beside the commit log.

`<tenant>/erasures/<erasure id>.ids` holds trace ids, 16 bytes each, behind their CRC-32C (u32, little endian). It is
there before the entry of the log that hides them, and deleted behind the one that says that they are gone: entries
of the log are kept for ever, so ids must not stand in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import google_crc32c
import numpy as np

from storage.errors import StorageError
from storage.merge_parts import TraceIds
from storage.object_store import ObjectInfo, ObjectStore
from storage.remembered import Remembered

FOLDER = "erasures"
_CHECKSUM_BYTES = 4
_ID_BYTES = 16


class DamagedIds(StorageError):
    """The ids of hidden traces are not what was written."""


@dataclass(frozen=True, slots=True, eq=False)
class HiddenTraces:
    """Ids (n, 16) of traces that must not be shown, none twice; `key` tells sets of them apart, "" where none is."""

    ids: TraceIds
    key: str


NOTHING_HIDDEN = HiddenTraces(np.zeros((0, _ID_BYTES), np.uint8), "")


class HiddenIds:
    """The objects that hold ids of hidden traces. For many threads; all methods raise StoreUnavailable."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._read: Remembered[str, TraceIds] = Remembered(64)

    def store(self, tenant: str, erasure_id: str, ids: TraceIds) -> None:
        """Store the ids of an erasure durably."""
        data = np.unique(ids, axis=0).tobytes()
        key = _key(tenant, erasure_id)
        self._objects.put(key, memoryview(_checksum(data) + data))
        self._objects.sync([key])

    def load(self, tenant: str, erasure_ids: Iterable[str]) -> HiddenTraces:
        """Return the traces of erasures. Raises ObjectMissing where one is over, DamagedIds."""
        known = sorted(erasure_ids)
        if not known:
            return NOTHING_HIDDEN
        found = [self._read.get_or_make(each, lambda each=each: self._ids(tenant, each)) for each in known]  # type: ignore[misc]  # bound early
        ids = found[0] if len(found) == 1 else np.unique(np.concatenate(found), axis=0)
        return HiddenTraces(ids, hashlib.blake2b(" ".join(known).encode(), digest_size=8).hexdigest())

    def delete(self, tenant: str, erasure_id: str) -> None:
        """Delete the ids of an erasure that is over."""
        self._objects.delete(_key(tenant, erasure_id))
        self._read.forget(lambda known: known == erasure_id)

    def stored(self, tenant: str) -> list[tuple[str, ObjectInfo]]:
        """Return the erasures of which ids are stored, over or not."""
        found = self._objects.list(f"{tenant}/{FOLDER}")
        return [(info.key.rpartition("/")[2].removesuffix(".ids"), info) for info in found]

    def _ids(self, tenant: str, erasure_id: str) -> TraceIds:
        key = _key(tenant, erasure_id)
        stored = self._objects.get(key)
        data = stored[_CHECKSUM_BYTES:]
        if stored[:_CHECKSUM_BYTES] != _checksum(data) or len(data) % _ID_BYTES:
            msg = f"{key} is damaged, so it cannot be told which traces are hidden"
            raise DamagedIds(msg)
        return np.frombuffer(data, np.uint8).reshape(-1, _ID_BYTES)


def _key(tenant: str, erasure_id: str) -> str:
    return f"{tenant}/{FOLDER}/{erasure_id}.ids"


def _checksum(data: bytes) -> bytes:
    return int(google_crc32c.value(data)).to_bytes(_CHECKSUM_BYTES, "little")
