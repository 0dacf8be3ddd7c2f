"""Objects as files of a folder, durable and atomic for every process of the machine."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from storage.files import POSIX, Data, Files, make_durable_folder, sync_names, write_whole
from storage.object_store import InvalidKey, ObjectInfo, ObjectMissing, ObjectTruncated, StoreUnavailable, check_key

log = logging.getLogger(__name__)

#: Where files are written before they get their name. No tenant can be called so.
DRAFTS = "~drafts"
DRAFTS_KEPT_NS = 24 * 3600 * 10**9
#: A folder may be removed between making it and using it, by a process that deletes its last file.
ATTEMPTS = 10


class LocalStore:
    """A folder as an object store. Writing needs hard links, and folders that can be synced."""

    def __init__(self, path: Path, *, files: Files = POSIX) -> None:
        """Make the folder where it is missing. Raises StoreUnavailable."""
        self._root = path.absolute()
        self._files = files
        with _translated(str(path)):
            above = next((parent for parent in self._root.parents if parent.is_dir()), self._root)
            make_durable_folder(files, self._root, above)
        self.remove_drafts(time.time_ns() - DRAFTS_KEPT_NS)

    def __repr__(self) -> str:
        return f"LocalStore({str(self._root)!r})"

    def put(self, key: str, data: Data) -> None:
        """Write a draft and rename it."""
        target = self._path(key)
        with self._draft(key, data) as draft:
            self._place(target, lambda: self._files.replace(draft, target))

    def put_if_absent(self, key: str, data: Data) -> bool:
        """Write a draft and link it, which fails where the name is taken."""
        target = self._path(key)
        with self._draft(key, data) as draft:
            try:
                self._place(target, lambda: self._files.link(draft, target))
            except FileExistsError:
                return False
            sync_names(self._files, target.parent, self._root)
        return True

    def sync(self, keys: Iterable[str]) -> None:
        """Sync every folder from the objects up to the root, once each."""
        folders = {folder for key in keys for folder in self._path(key).parents if self._is_inside(folder)}
        with _translated(str(self._root)):
            for folder in sorted(folders, reverse=True):
                self._files.sync_folder(folder)

    def get(self, key: str) -> bytes:
        """Read a file."""
        path = self._path(key)
        with _translated(key):
            return self._files.read(path)

    def get_range(self, key: str, start: int, stop: int) -> bytes:
        """Read a part of a file."""
        path = self._path(key)
        with _translated(key):
            data = self._files.read_range(path, start, stop)
        if len(data) != stop - start:
            msg = f"{key} ends at {start + len(data)}, expected bytes [{start}, {stop})"
            raise ObjectTruncated(msg)
        return data

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several parts of a file."""
        return [self.get_range(key, start, stop) for start, stop in ranges]

    def size(self, key: str) -> int:
        """Ask the file system."""
        path = self._path(key)
        with _translated(key):
            return self._files.size(path)

    def list(self, prefix: str, after: str = "") -> Sequence[ObjectInfo]:
        """Walk the folders below a prefix."""
        check_key(prefix, is_prefix=True)
        with _translated(prefix):
            return sorted(self._walk(prefix, after), key=lambda info: info.key)

    def folders(self, prefix: str) -> Sequence[str]:
        """List the folders in a folder that are not empty."""
        check_key(prefix, is_prefix=True)
        with _translated(prefix):
            entries = self._files.entries(self._root / prefix)
            names = sorted(entry.name for entry in entries if entry.is_folder and entry.name != DRAFTS)
            return [name for name in names if any(True for _ in self._walk(_join(prefix, name), ""))]

    def delete(self, key: str) -> None:
        """Remove a file, and its folder with the last one."""
        path = self._path(key)
        with _translated(key):
            with contextlib.suppress(FileNotFoundError):
                self._files.unlink(path)
            if path.parent != self._root:
                with contextlib.suppress(OSError):  # it has other files, or somebody was faster
                    self._files.remove_folder(path.parent)

    def remove_drafts(self, before_ns: int) -> None:
        """Remove drafts last written before that time, as processes that died leave them; a living one is told."""
        folder = self._root / DRAFTS
        old = [entry.name for entry in self._files.entries(folder) if entry.modified_ns < before_ns]
        for name in old:
            with contextlib.suppress(OSError):
                self._files.unlink(folder / name)
        if old:
            with contextlib.suppress(OSError):
                self._files.sync_folder(folder)

    def local_path(self, key: str) -> Path:
        """Return the file."""
        return self._path(key)

    def _path(self, key: str) -> Path:
        check_key(key)
        if key.startswith(f"{DRAFTS}/"):
            msg = f"{DRAFTS} holds drafts, not objects"
            raise InvalidKey(msg)
        return self._root / key

    def _is_inside(self, folder: Path) -> bool:
        return folder == self._root or self._root in folder.parents

    @contextlib.contextmanager
    def _draft(self, key: str, data: Data) -> Iterator[Path]:
        """Write a file that has no key yet, and remove it, unless it was renamed, in the end."""
        draft = self._root / DRAFTS / str(uuid.uuid4())
        try:
            self._files.make_folder(draft.parent)
            write_whole(self._files, draft, data)
            yield draft
        except OSError as error:
            msg = f"cannot store {key} in {self._root}: {error}"
            raise StoreUnavailable(msg) from error
        finally:
            with contextlib.suppress(OSError):
                self._files.unlink(draft)

    def _place(self, target: Path, place: Callable[[], None]) -> None:
        """Put a file in its folder, which is made where it is missing."""
        for attempt in range(ATTEMPTS):
            self._make_folder(target.parent)
            try:
                return place()
            except FileNotFoundError:
                if attempt == ATTEMPTS - 1:
                    raise
        return None

    def _make_folder(self, folder: Path) -> None:
        for _ in range(ATTEMPTS):
            # pathlib finds the name taken, then no folder by that name: it has just been removed.
            with contextlib.suppress(FileExistsError):
                return self._files.make_folder(folder)
        return self._files.make_folder(folder)

    def _walk(self, prefix: str, after: str) -> Iterator[ObjectInfo]:
        for entry in self._files.entries(self._root / prefix):
            key = _join(prefix, entry.name)
            if not entry.is_folder:
                if key > after:
                    yield ObjectInfo(key, entry.size_bytes, entry.modified_ns)
            elif key != DRAFTS:
                yield from self._walk(key, after)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """Tell an OSError in the words of the contract."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        msg = f"there is no object {what}"
        raise ObjectMissing(msg) from error
    except OSError as error:
        msg = f"{what}: {error}"
        raise StoreUnavailable(msg) from error
