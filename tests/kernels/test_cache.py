"""Machine code that is kept: nothing is compiled twice, and what cannot be used is a miss."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tempo_dask
from tempo_dask.kernels.cache import remove_unusable

KERNEL = """
from numba import njit

@njit("int64(int64)", cache=True)
def {name}(x):
    return {body}
"""
CALLER = "from tempo_dask.kernels.callee import callee\n" + KERNEL.format(name="caller", body="callee(x) + 1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of a kernel that calls one in another file, and of a third that has nothing to do with them."""
    for name, text in {
        "callee": KERNEL.format(name="callee", body="x"),
        "caller": CALLER,
        "other": KERNEL.format(name="other", body="x"),
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "__pycache__").mkdir()
    return tmp_path


def keep(folder: Path, name: str, age_s: float = 0) -> Path:
    """Write an entry as Numba does, which is as old as said."""
    entry = folder / "__pycache__" / name
    entry.write_bytes(b"\x80\x04N.\x80\x04N.")
    at = entry.stat().st_mtime - age_s
    os.utime(entry, (at, at))
    return entry


def test_entries_that_are_newer_than_their_sources_are_kept(folder: Path) -> None:
    entries = [keep(folder, "caller.caller-1.py311.nbi", -10), keep(folder, "caller.caller-1.py311.1.nbc", -10)]
    remove_unusable((folder,))
    assert all(entry.exists() for entry in entries)


def test_an_entry_goes_when_a_kernel_that_it_calls_has_changed(folder: Path) -> None:
    stale = keep(folder, "caller.caller-1.py311.nbi", -10)
    fresh = keep(folder, "other.other-1.py311.nbi", -10)
    changed = folder / "callee.py"
    at = changed.stat().st_mtime + 20
    os.utime(changed, (at, at))
    remove_unusable((folder,))
    assert not stale.exists()
    assert fresh.exists()


@pytest.mark.parametrize("content", [b"", b"\x80", b"garbage", b"\x80\x04N."])
def test_an_entry_that_cannot_be_read_is_removed(folder: Path, content: bytes) -> None:
    entry = keep(folder, "other.other-1.py311.nbi", -10)
    at = entry.stat().st_mtime
    entry.write_bytes(content)
    os.utime(entry, (at, at))
    remove_unusable((folder,))
    assert not entry.exists()


def test_a_folder_without_entries_is_left_alone(tmp_path: Path) -> None:
    remove_unusable((tmp_path,))
    assert not list(tmp_path.iterdir())


def test_all_kernels_load_without_compiling() -> None:
    """The first run compiles what is missing, the second must find everything."""
    for _ in range(2):
        command = (sys.executable, "-m", "tempo_dask.kernels")
        said = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=Path(tempo_dask.__path__[0]).parent
        )
    count, compiled = map(
        int, re.match(r"(\d+) kernels ready in .* s \((\d+) functions compiled\)", said.stdout).groups()
    )  # type: ignore[union-attr]
    assert count > 5
    assert compiled == 0
