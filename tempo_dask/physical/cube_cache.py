"""Cubes of sealed blocks that this process keeps: the latest in memory, the others on disk where it has a folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

from storage.cubes import Cube, CubeStore
from storage.remembered import Remembered


class Cubed(Protocol):
    """A partial result that can be kept as a cube."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes."""
        ...

    def to_cube(self) -> Cube | None:
        """Return the cube, None where it is not worth one."""
        ...


#: What a process keeps in memory.
MEMORY_BYTES = 64 << 20
#: Runs of fewer spans are scanned as fast as their cube is looked up.
LEAST_SPANS = 30_000
#: What was made in less time is sooner made again: zarr takes some 17 ms to write a cube and 5 to 8 to read it.
LEAST_S = 0.02
#: Exemplars of which is kept what is shown of them.
_MOST_SHOWN = 20_000
#: What a server keeps on disk.
DISK_BYTES = 256 << 20
#: Cubes that wait to be written; while so many wait, more are not written.
_MOST_WAITING = 64


def _size(found: Cubed) -> int:
    return found.nbytes + 256


class CubeCache:
    """Partial results of runs of units by block and key. Off until it is given something to keep.

    `shown` has what is shown of their exemplars, by block, what is wanted of them, and row.
    """

    def __init__(self) -> None:
        self._memory: Remembered[tuple[str, str], Cubed] = Remembered(0, _size)
        self.shown: Remembered[tuple[str, str, int], object] = Remembered(0)
        self._store: CubeStore | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="cubes")
        self.is_on = False
        self.least_spans = LEAST_SPANS
        self._least_s = LEAST_S
        self.made = 0

    def keep(
        self,
        memory_bytes: int = MEMORY_BYTES,
        folder: Path | None = None,
        disk_bytes: int = 0,
        least_spans: int = LEAST_SPANS,
        least_s: float = LEAST_S,
    ) -> None:
        """Begin to keep cubes, anew, of runs of so many spans; where a folder is given on disk what took so long."""
        self.least_spans = least_spans
        self._least_s = least_s
        self._memory = Remembered(memory_bytes, _size)
        self.shown = Remembered(_MOST_SHOWN)
        self._store = None if folder is None else CubeStore(folder, disk_bytes)
        self.is_on = memory_bytes > 0

    def get_or_make(
        self,
        block_id: str,
        key: str,
        make: Callable[[], Cubed],
        of_cube: Callable[[Cube], Cubed],
        *,
        on_disk: bool = True,
    ) -> Cubed:
        """Return what is kept, read from disk by `of_cube` (where it may be there), or made."""
        read = partial(self._read_or_make, block_id, key, make, of_cube)
        return self._memory.get_or_make((block_id, key), read if on_disk else make)

    def forget(self, block_id: str) -> None:
        """Give up the cubes of a block that left the list."""
        self._memory.forget(lambda key: key[0] == block_id)
        self.shown.forget(lambda key: key[0] == block_id)
        if self._store is not None:
            self._store.forget(block_id)

    def forget_all(self) -> None:
        """Give up all cubes, on disk too, and those that wait to be written."""
        self.flush()
        self._memory.forget(lambda _key: True)
        self.shown.forget(lambda _key: True)
        if self._store is not None:
            self._store.clear()

    def flush(self) -> None:
        """Wait until all that was to be written is."""
        self._writer.submit(int).result()

    def _read_or_make(
        self, block_id: str, key: str, make: Callable[[], Cubed], of_cube: Callable[[Cube], Cubed]
    ) -> Cubed:
        store = self._store
        kept = None if store is None else store.get(block_id, key)
        if kept is not None:
            return of_cube(kept)
        started = time.perf_counter()
        made = make()
        is_worth_it = time.perf_counter() - started >= self._least_s
        self.made += 1
        # Executors do not tell how much waits; what is not written now is made again after a restart.
        if store is not None and is_worth_it and self._writer._work_queue.qsize() < _MOST_WAITING:  # noqa: SLF001
            self._writer.submit(_write, store, block_id, key, made)
        return made


def _write(store: CubeStore, block_id: str, key: str, made: Cubed) -> None:
    cube = made.to_cube()
    if cube is not None:
        store.put(block_id, key, cube)


PROCESS_CUBES = CubeCache()
