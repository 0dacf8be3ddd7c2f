"""Objects in S3, GCS, Azure or memory, through obstore."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from storage.files import Data
from storage.object_store import ObjectInfo, ObjectMissing, ObjectTruncated, StoreUnavailable, check_key

_LIST_CHUNK = 1000


class RemoteStore:
    """An obstore store behind our contract. What it has stored is durable, so `sync` has nothing to do."""

    def __init__(self, store: Any, *, single_writer: bool = False) -> None:
        """Use any of obstore's stores; `single_writer` is for those that cannot refuse a second create."""
        self._store = store
        self._single_writer = threading.Lock() if single_writer else None

    def __repr__(self) -> str:
        return f"RemoteStore({self._store!r})"

    def put(self, key: str, data: Data) -> None:
        """Store an object."""
        with _translated(check_key(key)):
            obstore.put(self._store, key, _octets(data))

    def put_if_absent(self, key: str, data: Data) -> bool:
        """Store an object by a conditional put."""
        if self._single_writer is not None:
            return self._put_if_unseen(key, data, self._single_writer)
        with _translated(check_key(key)):
            try:
                obstore.put(self._store, key, _octets(data), mode="create")
            except AlreadyExistsError:
                return False
        return True

    def sync(self, keys: Iterable[str]) -> None:
        """Nothing is left to do."""

    def get(self, key: str) -> bytes:
        """Return an object."""
        with _translated(check_key(key)):
            return obstore.get(self._store, key).bytes().to_bytes()

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Return a part of an object."""
        return self.get_ranges(key, [(start, stop)])[0]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return several parts of an object; obstore joins near ones, and asks for ten at once."""
        check_key(key)
        wanted = [(start, stop) for start, stop in ranges if start < stop]
        with _translated(key):
            try:
                found = self._fetch(key, wanted) if wanted else []
            except BaseError:
                # A range wholly behind the end is an error to some stores: find out whether it is that.
                if max(stop for _, stop in wanted) <= self.size(key):
                    raise
                found = []
        if [len(data) for data in found] != [stop - start for start, stop in wanted]:
            msg = f"{key} is too short, expected bytes {wanted}"
            raise ObjectTruncated(msg)
        parts = iter(found)
        return [next(parts) if start < stop else b"" for start, stop in ranges]

    def _fetch(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        starts, stops = [start for start, _ in ranges], [stop for _, stop in ranges]
        return [data.to_bytes() for data in obstore.get_ranges(self._store, key, starts=starts, ends=stops)]

    def size(self, key: str) -> int:
        """Return an object's length."""
        with _translated(check_key(key)):
            return obstore.head(self._store, key)["size"]

    def list(self, prefix: str, after: str = "") -> Sequence[ObjectInfo]:
        """Return the objects below a prefix."""
        check_key(prefix, is_prefix=True)
        with _translated(prefix):
            chunks = obstore.list(self._store, prefix or None, offset=after or None, chunk_size=_LIST_CHUNK)
            found = [
                ObjectInfo(meta["path"], meta["size"], int(meta["last_modified"].timestamp() * 1e9))
                for chunk in chunks
                for meta in chunk
                if meta["path"] > after  # Azure begins with the key itself
            ]
        return sorted(found, key=lambda info: info.key)

    def folders(self, prefix: str) -> Sequence[str]:
        """Return the next segments below a prefix."""
        check_key(prefix, is_prefix=True)
        with _translated(prefix):
            found = obstore.list_with_delimiter(self._store, prefix or None)["common_prefixes"]
        return sorted(path.rpartition("/")[2] for path in found)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with _translated(check_key(key)), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def local_path(self, key: str) -> Path | None:
        """Return None: there are no files."""
        check_key(key)
        return None

    def _put_if_unseen(self, key: str, data: Data, lock: threading.Lock) -> bool:
        """Look, then put: right as long as nobody else writes."""
        with lock:
            try:
                self.size(key)
            except ObjectMissing:
                self.put(key, data)
                return True
            return False


def _octets(data: Data) -> memoryview:
    """Return a buffer of unsigned bytes: obstore takes others, such as Arrow's signed ones, for streams."""
    return memoryview(data).cast("B")


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """Tell obstore's errors in the words of the contract."""
    try:
        yield
    except FileNotFoundError as error:
        msg = f"there is no object {what}"
        raise ObjectMissing(msg) from error
    except (BaseError, OSError, ValueError) as error:
        msg = f"{what}: {error}"
        raise StoreUnavailable(msg) from error
