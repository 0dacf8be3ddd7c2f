"""The few file operations that durability rests on, behind a contract so that tests can pull the plug.

A write is durable once the file was synced *and* the folder that names it was synced; a rename, a link or a new
file is only a name, and names belong to folders. Everything of ours that must survive a power cut goes through here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

Data: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder says of one of its names."""

    name: str
    is_folder: bool
    size_bytes: int
    modified_ns: int


class OpenFile(Protocol):
    """A file open for writing at its end; for one thread at a time. Every method may raise OSError."""

    def write(self, data: Data) -> None:
        """Append all of `data`, or raise: then any part of it may stand in the file."""
        ...

    def sync(self) -> None:
        """Return once the file's content is durable (not its name)."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def close(self) -> None:
        """Close it; what was not synced may be lost."""
        ...


class Files(Protocol):
    """A file system. Every method may raise OSError, and may be called from many threads at once."""

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it where they are missing (none of them is durable by that)."""
        ...

    def create(self, path: Path) -> OpenFile:
        """Make and open a file that must not exist."""
        ...

    def append(self, path: Path) -> OpenFile:
        """Open an existing file to write at its end."""
        ...

    def read(self, path: Path) -> bytes:
        """Return a file's content."""
        ...

    def read_range(self, path: Path, start: int, stop: int) -> bytes:
        """Return bytes [start, stop) of a file, fewer where it ends before."""
        ...

    def size(self, path: Path) -> int:
        """Return a file's length."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name in one step; must raise FileExistsError where that name is taken."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file in one step, over another one where the name is taken."""
        ...

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        ...

    def sync_folder(self, path: Path) -> None:
        """Return once the names in a folder are durable."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Remove a folder, which must be empty."""
        ...

    def entries(self, path: Path) -> list[Entry]:
        """Return what is in a folder, in any order; nothing where it does not exist."""
        ...


class PosixFile:
    """A file descriptor in append mode."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: Data) -> None:
        """Append all of `data`; the system may take it in several pieces."""
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        """Flush the content to the device."""
        os.fsync(self._descriptor)

    def truncate(self, size: int) -> None:
        """Cut the file."""
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)


class PosixFiles:
    """The file system of the machine."""

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it."""
        path.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path) -> PosixFile:
        """Make a file of our own."""
        return PosixFile(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))

    def append(self, path: Path) -> PosixFile:
        """Open a file at its end."""
        return PosixFile(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))

    def read(self, path: Path) -> bytes:
        """Read a whole file."""
        return path.read_bytes()

    def read_range(self, path: Path, start: int, stop: int) -> bytes:
        """Read a part of a file."""
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), stop - start, start)

    def size(self, path: Path) -> int:
        """Ask the file system. Raises IsADirectoryError for a folder."""
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        return found.st_size

    def link(self, source: Path, target: Path) -> None:
        """Link a name to a file, or raise FileExistsError."""
        os.link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        path.unlink()

    def sync_folder(self, path: Path) -> None:
        """Flush a folder's names to the device."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def entries(self, path: Path) -> list[Entry]:
        """List a folder; what goes away meanwhile is left out."""
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(path) as names:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    known = name.stat()
                    found.append(Entry(name.name, name.is_dir(), known.st_size, known.st_mtime_ns))
        return found


POSIX = PosixFiles()


def write_whole(files: Files, path: Path, data: Data) -> None:
    """Make a file that must not exist and sync its content; after an error some of it may be there."""
    file = files.create(path)
    try:
        file.write(data)
        file.sync()
    finally:
        file.close()


def make_durable_folder(files: Files, path: Path, above: Path) -> None:
    """Make a folder below `above` and sync every name on the way to it."""
    files.make_folder(path)
    if path != above:
        sync_names(files, path.parent, above)


def sync_names(files: Files, path: Path, above: Path) -> None:
    """Sync the names in a folder and in every folder on the way up to `above`, that one included.

    Also folders that were there before: who made them may have died before syncing their names.
    """
    files.sync_folder(path)
    while path != above:
        path = path.parent
        files.sync_folder(path)
