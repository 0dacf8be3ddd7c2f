"""Cubes of sealed blocks that this process keeps: the latest in memory, the others on disk where it has a folder."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from storage.cubes import Cube, CubeStore
from storage.remembered import Remembered

#: What a process keeps in memory.
MEMORY_BYTES = 64 << 20
#: What a server keeps on disk.
DISK_BYTES = 256 << 20
#: Cubes that wait to be written; while so many wait, more are not written.
_MOST_WAITING = 64


def _size(cube: Cube | None) -> int:
    return 64 if cube is None else cube.nbytes + 64


class CubeCache:
    """Cubes by block and key; None is kept for what is not worth a cube. Off until it is given something to keep."""

    def __init__(self) -> None:
        self._memory: Remembered[tuple[str, str], Cube | None] = Remembered(0, _size)
        self._store: CubeStore | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="cubes")
        self.is_on = False
        self.made = 0

    def keep(self, memory_bytes: int = MEMORY_BYTES, folder: Path | None = None, disk_bytes: int = 0) -> None:
        """Begin to keep cubes, anew; on disk too where a folder is given."""
        self._memory = Remembered(memory_bytes, _size)
        self._store = None if folder is None else CubeStore(folder, disk_bytes)
        self.is_on = memory_bytes > 0

    def get_or_make(self, block_id: str, key: str, make: Callable[[], Cube | None]) -> Cube | None:
        """Return a cube, made where none is kept."""
        return self._memory.get_or_make((block_id, key), partial(self._read_or_make, block_id, key, make))

    def forget(self, block_id: str) -> None:
        """Give up the cubes of a block that left the list."""
        self._memory.forget(lambda key: key[0] == block_id)
        if self._store is not None:
            self._store.forget(block_id)

    def flush(self) -> None:
        """Wait until all that was to be written is."""
        self._writer.submit(int).result()

    def _read_or_make(self, block_id: str, key: str, make: Callable[[], Cube | None]) -> Cube | None:
        store = self._store
        kept = None if store is None else store.get(block_id, key)
        if kept is not None:
            return kept
        made = make()
        self.made += 1
        if store is not None and made is not None and self._writer._work_queue.qsize() < _MOST_WAITING:  # noqa: SLF001  # executors do not tell how much waits
            self._writer.submit(store.put, block_id, key, made)
        return made


PROCESS_CUBES = CubeCache()
