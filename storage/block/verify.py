"""A block checked wholly, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

import google_crc32c

from storage.block.files import BlockFiles
from storage.block.meta import BlockMeta
from storage.errors import StorageError

_STEP_BYTES = 8 << 20


def find_damage(meta: BlockMeta, files: BlockFiles) -> Iterator[tuple[str, str]]:
    """Yield the files of a block that are not what `meta` says, each with what is wrong. Reads all of them."""
    for name, expected in meta.files.items():
        try:
            size = files.size(name)
            checksum = _checksum(files, name, size)
        except StorageError as error:
            yield name, str(error)
            continue
        if size != expected.size:
            yield name, f"it has {size} bytes, expected {expected.size}"
        elif checksum != expected.crc32c:
            yield name, "its checksum is wrong"


def _checksum(files: BlockFiles, name: str, size: int) -> int:
    checksum = 0
    for start in range(0, size, _STEP_BYTES):
        checksum = google_crc32c.extend(checksum, files.read_range(name, start, min(size, start + _STEP_BYTES)))
    return checksum
