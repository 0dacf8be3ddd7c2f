"""Where the files of one block come from."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from storage.errors import DamagedBlock


class BlockFiles(Protocol):
    """The files of a block by name. All methods may be called from many threads at once."""

    def local_path(self, name: str) -> Path | None:
        """Return where the file lies on a local disk, to be mapped into memory, or None."""
        ...

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop), exactly so many; must raise StorageError where there are fewer."""
        ...

    def read_ranges(self, name: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return several ranges, each as `read_range` does; from a store a network away together."""
        return [self.read_range(name, start, stop) for start, stop in ranges]

    def size(self, name: str) -> int:
        """Return the length of a file in bytes; must raise StorageError where it is absent."""
        ...


class KeyedStore(Protocol):
    """What this module needs of an object store."""

    def local_path(self, key: str) -> Path | None:
        """Return where an object lies as a file, or None."""
        ...

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop) of an object."""
        ...

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return several ranges of an object."""
        ...

    def size(self, key: str) -> int:
        """Return an object's length."""
        ...


class StoredFiles(BlockFiles):
    """The files of a block in an object store, below a prefix such as `<tenant>/<block id>`."""

    def __init__(self, store: KeyedStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    def local_path(self, name: str) -> Path | None:
        """Return where the file lies, or None."""
        return self._store.local_path(f"{self._prefix}/{name}")

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop)."""
        return self._store.get_range(f"{self._prefix}/{name}", start, stop)

    def read_ranges(self, name: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Return several ranges."""
        return self._store.get_ranges(f"{self._prefix}/{name}", ranges)

    def size(self, name: str) -> int:
        """Return the length of a file."""
        return self._store.size(f"{self._prefix}/{name}")


class MemoryFiles(BlockFiles):
    """The files of a block as just encoded."""

    def __init__(self, files: Mapping[str, bytes | pa.Buffer]) -> None:
        self._files = files

    def local_path(self, name: str) -> None:
        """Return None: there are no files."""

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop)."""
        data = bytes(self._files[name][start:stop])
        if len(data) != stop - start:
            msg = f"{name} ends before byte {stop}"
            raise DamagedBlock(msg)
        return data

    def size(self, name: str) -> int:
        """Return the length of a file."""
        if name not in self._files:
            msg = f"{name} is missing"
            raise DamagedBlock(msg)
        return len(self._files[name])


class RangeReader(io.RawIOBase):
    """A file of a block that is read range by range; for one thread at a time."""

    def __init__(self, files: BlockFiles, name: str, size: int) -> None:
        self._files = files
        self._name = name
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, in one request."""
        stop = self._size if size < 0 else min(self._at + size, self._size)
        data = self._files.read_range(self._name, self._at, stop) if stop > self._at else b""
        self._at = max(self._at, stop)
        return data
