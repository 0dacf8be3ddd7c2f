"""The files of one block, and the contract of what encodes and opens them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from storage.columns import ScanSource, SourceMeta, SpanTables
from storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class ObjectFiles:
    """The files of a block as objects below one prefix. All methods may be called from many threads."""

    objects: ObjectStore
    prefix: str

    def local_path(self, name: str) -> Path | None:
        """Return where a file may be mapped, or None where the store has no files."""
        return self.objects.local_path(f"{self.prefix}/{name}")

    def read(self, name: str) -> bytes:
        """Return a whole file. Raises ObjectMissing, StoreUnavailable."""
        return self.objects.get(f"{self.prefix}/{name}")

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop) of a file. Raises ObjectMissing, ObjectTruncated, StoreUnavailable."""
        return self.objects.get_range(f"{self.prefix}/{name}", start, stop)

    def size(self, name: str) -> int:
        """Return a file's length. Raises ObjectMissing, StoreUnavailable."""
        return self.objects.size(f"{self.prefix}/{name}")


class EncodedBlock(Protocol):
    """A block that is not stored yet."""

    @property
    def files(self) -> Mapping[str, bytes | pa.Buffer]:
        """Return all its files by name, `block.json` among them."""
        ...

    @property
    def meta(self) -> SourceMeta:
        """Return what is known of it."""
        ...


class BlockFormat(Protocol):
    """How spans become files and files become a source again."""

    def write(
        self,
        tables: SpanTables,
        *,
        block_id: str,
        tenant: str,
        node: str,
        first_seq: int,
        last_seq: int,
        arrived_ns: int,
    ) -> EncodedBlock:
        """Encode sorted spans, the records `first_seq` to `last_seq` of a node; `arrived_ns` is the newest arrival."""
        ...

    def open(self, files: ObjectFiles) -> ScanSource:
        """Open a block. Must raise StorageError, ValueError or OSError where its files are damaged."""
        ...
