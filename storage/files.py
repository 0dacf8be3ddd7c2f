"""The few file operations that durability rests on, behind a contract so that tests can pull the plug.

A write is durable once the file was synced *and* the folder that names it was synced; a rename, a link or a new
file is only a name, and names belong to folders. Everything of ours that must survive a power cut goes through here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

Data: TypeAlias = bytes | bytearray | memoryview


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

    def names(self, path: Path) -> list[str]:
        """Return the names in a folder, in any order."""
        ...


class PosixFile:
    """A file descriptor in append mode."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: Data) -> None:
        """Append all of `data`; the system may take it in several pieces."""
        rest = memoryview(data)
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

    def names(self, path: Path) -> list[str]:
        """List a folder."""
        return [entry.name for entry in path.iterdir()]


POSIX = PosixFiles()


def write_whole(files: Files, path: Path, parts: Sequence[Data]) -> None:
    """Make a file that must not exist and sync its content; after an error it is gone, as far as that can be done."""
    file = files.create(path)
    try:
        try:
            for part in parts:
                file.write(part)
            file.sync()
        finally:
            file.close()
    except OSError:
        with contextlib.suppress(OSError):
            files.unlink(path)
        raise


def make_durable_folder(files: Files, path: Path, above: Path) -> None:
    """Make a folder below `above` and sync every name on the way to it."""
    files.make_folder(path)
    folder = path
    while folder != above:
        folder = folder.parent
        files.sync_folder(folder)
