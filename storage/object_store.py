"""The contract of object stores, which the commit log and blocks rest on, and its errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storage.errors import StorageError
from storage.files import Data

MAX_KEY_BYTES = 1024
_SEGMENT = re.compile(r"[0-9A-Za-z!_.*'()~-]{1,255}")


class ObjectMissing(StorageError):
    """There is no object by that key."""


class ObjectTruncated(StorageError):
    """An object ends before the range that was asked for."""


class InvalidKey(StorageError):
    """A key that could leave its store or mean different things to different stores."""


class StoreUnavailable(StorageError):
    """A store failed: the disk is full, the network is down, access is denied. Trying again may help."""


class CreateNotExclusive(StorageError):
    """A store lets two writers create the same object, so several processes cannot share it."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a listing tells of an object."""

    key: str
    size_bytes: int
    modified_ns: int


class ObjectStore(Protocol):
    """Named, immutable runs of bytes. A reader sees an object wholly or not at all, and what it saw stays.

    Keys are segments of letters, digits and `!_.*'()~-` joined by `/`; a prefix is some whole segments ("" is the
    whole store). Every method may be called from many threads and processes at once, and must raise InvalidKey
    for a bad key, ObjectMissing for an absent object, and StoreUnavailable for whatever fails below.
    """

    def put(self, key: str, data: Data) -> None:
        """Store an object, over another one. Its content is durable on return, its name after `sync`."""
        ...

    def put_if_absent(self, key: str, data: Data) -> bool:
        """Store an object durably, name and all, and return True; return False where the key is taken.

        Of any number of writers exactly one must be told True. One that was told False, or got an error, may
        nevertheless have stored its object (an answer that was lost): compare the content where that matters.
        """
        ...

    def sync(self, keys: Iterable[str]) -> None:
        """Return once the names of objects put by this process are durable."""
        ...

    def get(self, key: str) -> bytes:
        """Return an object."""
        ...

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop), exactly so many. Must raise ObjectTruncated where the object is shorter."""
        ...

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return several ranges of an object, each as `get_range` does.

        A store a network away reads them at once, those that are near each other together.
        """
        ...

    def size(self, key: str) -> int:
        """Return an object's length in bytes."""
        ...

    def list(self, prefix: str, after: str = "") -> Sequence[ObjectInfo]:
        """Return all objects below a prefix whose keys are greater than `after`, by rising key."""
        ...

    def folders(self, prefix: str) -> Sequence[str]:
        """Return the next segments below a prefix that have objects below them, rising (names, not keys)."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object, if it is there. Not durable: it may be back after a power cut."""
        ...

    def local_path(self, key: str) -> Path | None:
        """Return where the object lies as a file that may be mapped, or None in stores without files."""
        ...


def check_key(key: str, *, is_prefix: bool = False) -> str:
    """Return a key that is well formed. Raises InvalidKey."""
    if is_prefix and not key:
        return key
    segments = key.split("/")
    if len(key) > MAX_KEY_BYTES or not all(_SEGMENT.fullmatch(s) and s not in {".", ".."} for s in segments):
        msg = f"expected an object's key of letters, digits and !_.*'()~- between slashes, got {key[:100]!r}"
        raise InvalidKey(msg)
    return key
