"""A file system in memory whose plug can be pulled: what was not synced may be gone, in any mixture.

It keeps two states. The *live* one is what a program sees. The *durable* one is what is surely there after a power
cut: content as of the last `sync` of a file, names as of the last `sync_folder` of a folder. A cut leaves, for each
file, its durable content, its live one, or a torn mixture; and for each name that changed, either side. The device
may write back anything early, so all of these can happen, and a seed picks.
"""

from __future__ import annotations

import errno
import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path

from storage.files import Data, Entry


class PowerCut(BaseException):
    """The machine is off: no code of the program runs to an end, no handler can do anything."""


@dataclass(eq=False)
class Inode:
    """A file: what the program sees of it, and what is on the device."""

    live: bytes = b""
    durable: bytes = b""
    modified_ns: int = 0


@dataclass(eq=False)
class Folder:
    """A folder: names as the program sees them, and those on the device."""

    live: dict[str, Inode | Folder] = field(default_factory=dict)
    durable: dict[str, Inode | Folder] = field(default_factory=dict)


class Handle:
    """An open file."""

    def __init__(self, files: PowerLossFiles, inode: Inode) -> None:
        self._files = files
        self._inode = inode

    def write(self, data: Data) -> None:
        data = bytes(data)
        # A cut in the middle of a write leaves any part of it in the page cache.
        self._files.step("write", lambda rng: self._append(data[: rng.randint(0, len(data))]))
        self._append(data)

    def sync(self) -> None:
        self._files.step("sync")
        self._inode.durable = self._inode.live

    def truncate(self, size: int) -> None:
        self._files.step("truncate")
        self._inode.live = self._inode.live[:size].ljust(size, b"\0")

    def close(self) -> None:
        self._files.step("close")

    def _append(self, data: bytes) -> None:
        self._inode.live += data
        self._inode.modified_ns = self._files.clock()


class PowerLossFiles:
    """The file system. Operation number `cut_at` and all behind it raise PowerCut; those of `failures` an OSError."""

    def __init__(self, *, cut_at: int | None = None, seed: int = 0, clock=lambda: 0) -> None:
        self.root = Folder()
        self.operations = 0
        self.cut_at = cut_at
        self.failures: dict[int, int] = {}
        self.clock = clock
        self._random = random.Random(seed)

    def step(self, name: str, half_done=lambda rng: None) -> None:
        """Count an operation that changes something; cut or fail where it is its turn."""
        self.operations += 1
        if self.cut_at is not None and self.operations >= self.cut_at:
            if self.operations == self.cut_at:
                half_done(self._random)
            raise PowerCut(name)
        if (number := self.failures.get(self.operations)) is not None:
            half_done(self._random)
            raise OSError(number, errno.errorcode[number], name)

    def pull_the_plug(self, mode: str) -> None:
        """Become what a machine may find when power is back. `mode`: "least", "most" or "mixed"."""
        keep = {"least": lambda: False, "most": lambda: True, "mixed": lambda: self._random.random() < 0.5}[mode]
        self._settle(self.root, keep, set())
        self.cut_at = None
        self.failures = {}

    def _settle(self, node: Inode | Folder, keep, seen: set[int]) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, Inode):
            node.live = node.durable = self._content(node, keep)
            return
        names = {}
        for name in sorted({*node.live, *node.durable}):
            before, after = node.durable.get(name), node.live.get(name)
            chosen = after if before is after or keep() else before
            if chosen is not None:
                names[name] = chosen
        node.live, node.durable = names, dict(names)
        for child in names.values():
            self._settle(child, keep, seen)

    def _content(self, inode: Inode, keep) -> bytes:
        """Return durable or live content, or a file of the new length in which some of the new bytes are missing."""
        if inode.live == inode.durable or not keep():
            return inode.durable
        if keep():
            return inode.live
        cut = self._random.randint(_common(inode.live, inode.durable), len(inode.live))
        written = self._random.randint(0, cut)
        # Behind what was written in time stands what was there before, or nothing yet.
        return inode.live[:written] + inode.durable[written:cut].ljust(cut - written, b"\0")

    def make_folder(self, path: Path) -> None:
        self.step("make_folder")
        folder = self.root
        for part in path.parts[1:]:
            child = folder.live.setdefault(part, Folder())
            if not isinstance(child, Folder):
                raise FileExistsError(errno.EEXIST, "a file", str(path))
            folder = child

    def create(self, path: Path) -> Handle:
        self.step("create")
        folder = self._folder(path.parent)
        if path.name in folder.live:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        inode = Inode(modified_ns=self.clock())
        folder.live[path.name] = inode
        return Handle(self, inode)

    def append(self, path: Path) -> Handle:
        self.step("append")
        return Handle(self, self._file(path))

    def read(self, path: Path) -> bytes:
        return self._file(path).live

    def read_range(self, path: Path, start: int, stop: int) -> bytes:
        return self._file(path).live[start:stop]

    def size(self, path: Path) -> int:
        return len(self._file(path).live)

    def link(self, source: Path, target: Path) -> None:
        self.step("link")
        inode, folder = self._file(source), self._folder(target.parent)
        if target.name in folder.live:
            raise FileExistsError(errno.EEXIST, "exists", str(target))
        folder.live[target.name] = inode

    def replace(self, source: Path, target: Path) -> None:
        self.step("replace")
        self._folder(target.parent).live[target.name] = self._file(source)
        del self._folder(source.parent).live[source.name]

    def unlink(self, path: Path) -> None:
        self.step("unlink")
        self._file(path)
        del self._folder(path.parent).live[path.name]

    def remove_folder(self, path: Path) -> None:
        self.step("remove_folder")
        if self._folder(path).live:
            raise OSError(errno.ENOTEMPTY, "not empty", str(path))
        del self._folder(path.parent).live[path.name]

    def sync_folder(self, path: Path) -> None:
        self.step("sync_folder")
        folder = self._folder(path)
        folder.durable = dict(folder.live)

    def entries(self, path: Path) -> list[Entry]:
        try:
            folder = self._folder(path)
        except FileNotFoundError:
            return []
        return [
            Entry(name, True, 0, 0)
            if isinstance(child, Folder)
            else Entry(name, False, len(child.live), child.modified_ns)
            for name, child in folder.live.items()
        ]

    def _folder(self, path: Path) -> Folder:
        node: Inode | Folder = self.root
        for part in path.parts[1:]:
            if not isinstance(node, Folder) or part not in node.live:
                raise FileNotFoundError(errno.ENOENT, "no such folder", str(path))
            node = node.live[part]
        if not isinstance(node, Folder):
            raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(path))
        return node

    def _file(self, path: Path) -> Inode:
        node = self._folder(path.parent).live.get(path.name)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        if isinstance(node, Folder):
            raise IsADirectoryError(errno.EISDIR, "a folder", str(path))
        return node


def _common(a: bytes, b: bytes) -> int:
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
