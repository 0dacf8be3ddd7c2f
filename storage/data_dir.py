"""The data directory: which node this is, and that no other process is it at the same time.

========== ========================================================================
`node`     the node's id, made once; names the log below and this node's records in the commit log
`lock`     locked while a process is at work here
`wal/`     write-ahead logs, a folder per node id (one, unless directories were mixed up)
`blocks/`  the object store, unless another one is configured
========== ========================================================================
"""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from pathlib import Path
from typing import Self

from storage.errors import StorageError
from storage.files import POSIX, Files, make_durable_folder, write_whole

_NODE = re.compile(r"[0-9a-z-]{1,64}")


class DataDirLocked(StorageError):
    """Another process works in this data directory."""


class DataDirDamaged(StorageError):
    """The data directory does not tell which node it belongs to."""


class DataDir:
    """A locked data directory; give it back with `close`.

    The lock ends with the process, whatever ends it, and with those that it forked (spawned ones do not hold it).
    """

    def __init__(self, path: Path, *, files: Files = POSIX) -> None:
        """Make or open it. Raises DataDirLocked, DataDirDamaged, OSError."""
        self.path = path.absolute()
        above = next(parent for parent in self.path.parents if parent.is_dir())
        make_durable_folder(files, self.path, above)
        self._descriptor = _lock(self.path / "lock")
        try:
            self.node = _node_id(files, self.path)
        except BaseException:
            self.close()
            raise

    @property
    def wal_path(self) -> Path:
        """Where write-ahead logs lie."""
        return self.path / "wal"

    @property
    def blocks_path(self) -> Path:
        """Where blocks lie unless another store is configured."""
        return self.path / "blocks"

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 20).decode(errors="replace").strip()
        os.close(descriptor)
        msg = f"another process (id {holder or 'unknown'}) works in {path.parent}; one at a time may"
        raise DataDirLocked(msg) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _node_id(files: Files, path: Path) -> str:
    """Return the id in the file `node`, which is made where it is missing."""
    file = path / "node"
    try:
        node = files.read(file).decode("ascii", errors="replace").strip()
    except FileNotFoundError:
        return _new_node(files, path, file)
    if not _NODE.fullmatch(node):
        msg = f"{file} should hold the id of a node, but holds {node[:80]!r}"
        raise DataDirDamaged(msg)
    return node


def _new_node(files: Files, path: Path, file: Path) -> str:
    """Make the file `node`: a new id, or the old one where only that file was lost."""
    folder = path / "wal"
    logs = [entry.name for entry in files.entries(folder)]
    if len(logs) > 1:
        msg = f"{file} is missing, and {folder} has logs of several nodes: write into it which of them this is"
        raise DataDirDamaged(msg)
    node = logs[0] if logs else str(uuid.uuid4())
    draft = path / f"node.{uuid.uuid4()}"
    write_whole(files, draft, f"{node}\n".encode())
    files.replace(draft, file)
    files.sync_folder(path)
    return node
