"""Cubes on disk: computed arrays of sealed blocks, a zarr group each, in a folder of bounded size.

A cube can be computed again at any time: one that is missing, damaged or of another format is a plain miss, and
writing is not fsynced. A group is written beside its place and moved there whole, so readers never see half of one.
"""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

log = logging.getLogger(__name__)

#: Named in each path, so that cubes of another form are not read.
FORMAT = 3
_NOTE = "note"


@cache
def _zarr() -> ModuleType:
    """Return zarr, which takes half a second to import and is needed with the first cube alone."""
    return importlib.import_module("zarr")


@dataclass(frozen=True, slots=True)
class Cube:
    """Arrays by name, and a text (JSON) that says what their rows are."""

    arrays: Mapping[str, npt.NDArray[Any]]
    note: str

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the cube takes."""
        return sum(array.nbytes for array in self.arrays.values()) + len(self.note)


class CubeStore:
    """Cubes by block and key under a folder; beyond the budget those that were not used for longest are removed.

    For many threads of one process.
    """

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        self._folder = folder / f"v{FORMAT}"
        self._budget_bytes = budget_bytes
        self._lock = threading.Lock()
        self._sizes: dict[Path, int] = {}  # by use, the latest last
        self._scan()

    @property
    def used_bytes(self) -> int:
        """Bytes on disk."""
        return sum(self._sizes.values())

    def get(self, block_id: str, key: str) -> Cube | None:
        """Return a cube, None where there is none that can be read."""
        path = self._folder / block_id / key
        with self._lock:
            if path not in self._sizes:
                return None
            self._sizes[path] = self._sizes.pop(path)
        try:
            os.utime(path)
            group = _zarr().open_group(path, mode="r")
            return Cube({name: np.asarray(array[...]) for name, array in group.arrays()}, str(group.attrs[_NOTE]))
        except Exception:  # noqa: BLE001  # whatever a damaged cube raises, it is computed again
            log.warning("cube %s cannot be read; it is computed again", path)
            self._remove([path])
            return None

    def put(self, block_id: str, key: str, cube: Cube) -> None:
        """Keep a cube; where it cannot be written, or is larger than all there is room for, nothing is kept."""
        path = self._folder / block_id / key
        beside = self._folder / f"new-{uuid.uuid4().hex}"
        try:
            group = _zarr().open_group(beside, mode="w", zarr_format=3, attributes={_NOTE: cube.note})
            for name, array in cube.arrays.items():
                group.create_array(name, data=np.ascontiguousarray(array))
            size = _size(beside)
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.rename(path)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            log.debug("cube %s was not kept: %s", path, error)
            return
        with self._lock:
            self._sizes[path] = size
        self._make_room()

    def forget(self, block_id: str) -> None:
        """Remove the cubes of a block that left the list."""
        folder = self._folder / block_id
        with self._lock:
            gone = [path for path in self._sizes if path.parent == folder]
        self._remove(gone)
        shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Remove all cubes."""
        with self._lock:
            gone = list(self._sizes)
        self._remove(gone)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _scan(self) -> None:
        """Take over what an earlier process left, the latest used last."""
        for half in self._folder.glob("new-*"):
            shutil.rmtree(half, ignore_errors=True)
        found = [path for path in self._folder.glob("*/*") if path.is_dir()]
        self._sizes = {path: _size(path) for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)}
        self._make_room()

    def _make_room(self) -> None:
        with self._lock:
            gone, used = [], self.used_bytes
            for path, size in self._sizes.items():
                if used <= self._budget_bytes:
                    break
                gone.append(path)
                used -= size
        self._remove(gone)

    def _remove(self, paths: list[Path]) -> None:
        for path in paths:
            with self._lock:
                self._sizes.pop(path, None)
            shutil.rmtree(path, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
