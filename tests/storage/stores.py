"""Object stores that count, fail and forget answers, around a real one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from storage.files import Data
from storage.object_store import ObjectInfo, ObjectStore, StoreUnavailable


class WrappedStore:
    """Hands everything on, and counts what was read."""

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.gets: list[str] = []

    def put(self, key: str, data: Data) -> None:
        self.inner.put(key, data)

    def put_if_absent(self, key: str, data: Data) -> bool:
        return self.inner.put_if_absent(key, data)

    def sync(self, keys: Iterable[str]) -> None:
        self.inner.sync(keys)

    def get(self, key: str) -> bytes:
        data = self.inner.get(key)
        self.gets.append(key)
        return data

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        return self.inner.get_range(key, start, stop)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        return self.inner.get_ranges(key, ranges)

    def size(self, key: str) -> int:
        return self.inner.size(key)

    def list(self, prefix: str, after: str = "") -> Sequence[ObjectInfo]:
        return self.inner.list(prefix, after)

    def folders(self, prefix: str) -> Sequence[str]:
        return self.inner.folders(prefix)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def local_path(self, key: str) -> Path | None:
        return self.inner.local_path(key)


class CountingStore(WrappedStore):
    """A store without files, which counts requests for ranges and sizes."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.requests = 0

    def local_path(self, key: str) -> None:
        return None

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        self.requests += 1
        return super().get_range(key, start, stop)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        self.requests += 1
        return super().get_ranges(key, ranges)

    def size(self, key: str) -> int:
        self.requests += 1
        return super().size(key)


class ForgetfulStore(WrappedStore):
    """Creates objects, but the answer is lost: it looks as if somebody else had been faster, or like an error."""

    def __init__(self, inner: ObjectStore, *, raises: bool) -> None:
        super().__init__(inner)
        self.raises = raises
        self.lost = 1

    def put_if_absent(self, key: str, data: Data) -> bool:
        created = self.inner.put_if_absent(key, data)
        if not created or self.lost == 0:
            return created
        self.lost -= 1
        if self.raises:
            msg = "the connection was closed"
            raise StoreUnavailable(msg)
        return False


class FailingStore(WrappedStore):
    """Fails at its nth writing call, once."""

    def __init__(self, inner: ObjectStore, fails_at: int) -> None:
        super().__init__(inner)
        self.calls = 0
        self.fails_at = fails_at

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            msg = "No space left on device"
            raise StoreUnavailable(msg)

    def put(self, key: str, data: Data) -> None:
        self._count()
        super().put(key, data)

    def put_if_absent(self, key: str, data: Data) -> bool:
        self._count()
        return super().put_if_absent(key, data)

    def sync(self, keys: Iterable[str]) -> None:
        self._count()
        super().sync(keys)
