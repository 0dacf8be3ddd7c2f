"""What Numba kept of compiled kernels, weeded before it is loaded.

Numba renews an entry when the file of its kernel changes, but not when a kernel in another file that it calls
does, and an entry that cannot be read stops the import. Both are removed here, so both are a plain miss. An entry
is an index (`.nbi`) that names files of machine code (`.nbc`), all beside the compiled Python files.
"""

from __future__ import annotations

import os
import pickle
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import storage.kernels

FOLDERS = (Path(__file__).parent, *map(Path, storage.kernels.__path__))
#: Entries that are older than this file were read whole once; reading them all takes half a second.
CHECKED = "checked"
IMPORT = re.compile(r"^from (?:tempo_dask|storage)\.kernels\.(\w+) import", re.MULTILINE)


def remove_unusable(folders: tuple[Path, ...] = FOLDERS) -> None:
    """Remove entries that are broken, or older than a source that their kernel is made of."""
    for folder in folders:
        entries = [*(folder / "__pycache__").glob("*.nb[ic]")]
        if not entries:
            continue
        for entry in _stale(folder, entries):
            entry.unlink(missing_ok=True)
        checked = folder / "__pycache__" / CHECKED
        now_ns, last_ns = time.time_ns(), _age(checked, missing=0)
        for entry in entries:
            if _age(entry) > last_ns and _is_broken(entry):
                entry.unlink(missing_ok=True)
        with suppress(OSError):  # a folder that is not ours is checked each time
            checked.touch()
            os.utime(checked, ns=(now_ns, now_ns))


def _stale(folder: Path, entries: list[Path]) -> Iterator[Path]:
    """Yield entries older than the newest source that their module is made of."""
    changed = {source.stem: source.stat().st_mtime_ns for source in folder.glob("*.py")}
    kept = {entry: _age(entry) for entry in entries}
    if max(changed.values(), default=0) < min(kept.values(), default=0):
        return
    newest = {module: max(changed[m] for m in _made_of(folder, module)) for module in changed}
    for entry, written_ns in kept.items():
        if written_ns < newest.get(entry.name.partition(".")[0], 0):
            yield entry


def _age(entry: Path, missing: int = 1 << 63) -> int:
    """Return when an entry was written; it counts as very new where another process has just removed it."""
    try:
        return entry.stat().st_mtime_ns
    except FileNotFoundError:
        return missing


def _made_of(folder: Path, module: str) -> set[str]:
    """Return a module and those of its folder that it imports, directly or through others."""
    found: set[str] = set()
    wanted = {module}
    while wanted:
        name = wanted.pop()
        found.add(name)
        imports = IMPORT.findall((folder / f"{name}.py").read_text())
        wanted |= {i for i in imports if (folder / f"{i}.py").exists()} - found
    return found


def _is_broken(entry: Path) -> bool:
    """Return whether an entry cannot be read: cut short, overwritten, or pickled by other versions."""
    try:
        with entry.open("rb") as file:
            pickle.load(file)  # noqa: S301  # written by Numba, which loads it the same way
            if entry.suffix == ".nbi":
                pickle.load(file)  # noqa: S301
    except FileNotFoundError:
        return False
    except Exception:  # noqa: BLE001  # a broken pickle raises whatever it likes
        return True
    return False
