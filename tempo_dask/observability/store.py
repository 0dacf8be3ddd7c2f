"""How long a remote object store takes, as `tempodb_backend_request_duration_seconds`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from prometheus_client import Histogram

from storage.files import Data
from storage.object_store import ObjectInfo, ObjectMissing, ObjectStore
from tempo_dask.telemetry import REGISTRY

REQUEST_DURATION = Histogram(
    "tempodb_backend_request_duration_seconds",
    "Time that the object store takes.",
    ["operation", "status_code"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100),
    registry=REGISTRY,
)


class MeasuredStore:
    """An object store that is measured; the store itself answers. A call may be several requests below."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __repr__(self) -> str:
        return repr(self._store)

    def put(self, key: str, data: Data) -> None:
        """Store an object."""
        with _measured("PUT"):
            self._store.put(key, data)

    def put_if_absent(self, key: str, data: Data) -> bool:
        """Store an object unless there is one."""
        with _measured("PUT"):
            return self._store.put_if_absent(key, data)

    def sync(self, keys: Iterable[str]) -> None:
        """Return once names are durable."""
        self._store.sync(keys)

    def get(self, key: str) -> bytes:
        """Return an object."""
        with _measured("GET"):
            return self._store.get(key)

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Return a part of an object."""
        with _measured("GET"):
            return self._store.get_range(key, start, stop)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return several parts of an object."""
        with _measured("GET"):
            return self._store.get_ranges(key, ranges)

    def size(self, key: str) -> int:
        """Return an object's length."""
        with _measured("HEAD"):
            return self._store.size(key)

    def list(self, prefix: str, after: str = "") -> Sequence[ObjectInfo]:
        """Return the objects below a prefix."""
        with _measured("LIST"):
            return self._store.list(prefix, after)

    def folders(self, prefix: str) -> Sequence[str]:
        """Return the next segments below a prefix."""
        with _measured("LIST"):
            return self._store.folders(prefix)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with _measured("DELETE"):
            self._store.delete(key)

    def local_path(self, key: str) -> Path | None:
        """Return where an object lies as a file."""
        return self._store.local_path(key)


@contextmanager
def _measured(operation: str) -> Iterator[None]:
    started, status = time.perf_counter(), HTTPStatus.OK
    try:
        yield
    except ObjectMissing:
        status = HTTPStatus.NOT_FOUND
        raise
    except Exception:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        raise
    finally:
        REQUEST_DURATION.labels(operation, str(int(status))).observe(time.perf_counter() - started)
