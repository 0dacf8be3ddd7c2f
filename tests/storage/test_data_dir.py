"""The data directory: one process at a time, and always the same node."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.data_dir import DataDir, DataDirDamaged, DataDirLocked, _node_id
from storage.wal import Wal
from tests.storage.power_loss import PowerCut, PowerLossFiles


def test_a_node_keeps_its_id(tmp_path: Path) -> None:
    with DataDir(tmp_path / "new" / "data") as data:
        node = data.node
        assert data.wal_path.parent == data.blocks_path.parent == tmp_path / "new" / "data"
    with DataDir(tmp_path / "new" / "data") as data:
        assert data.node == node
    with DataDir(tmp_path / "other") as other:
        assert other.node != node


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with DataDir(tmp_path), pytest.raises(DataDirLocked, match=r"another process \(id \d+\) works in"):
        DataDir(tmp_path)
    DataDir(tmp_path).close()


def _hold(path: Path, ready: threading.Event, done: threading.Event) -> None:
    with DataDir(path):
        ready.set()
        done.wait(60)


def test_the_lock_holds_between_processes_and_ends_with_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path, ready, done))
    process.start()
    assert ready.wait(60)
    with pytest.raises(DataDirLocked, match=f"id {process.pid}"):
        DataDir(tmp_path)
    process.kill()
    process.join()
    DataDir(tmp_path).close()


def test_a_lost_node_file_is_made_again_from_the_log(tmp_path: Path) -> None:
    with DataDir(tmp_path) as data, Wal(data.wal_path, data.node) as wal:
        wal.append([("t", b"x")])
        node = data.node
    (tmp_path / "node").unlink()
    with DataDir(tmp_path) as data:
        assert data.node == node


def test_a_node_that_cannot_be_told_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wal" / "one").mkdir(parents=True)
    (tmp_path / "wal" / "two").mkdir()
    with pytest.raises(DataDirDamaged, match="several nodes"):
        DataDir(tmp_path)
    (tmp_path / "node").write_text("../elsewhere\n")
    with pytest.raises(DataDirDamaged, match="should hold the id"):
        DataDir(tmp_path)
    (tmp_path / "node").write_text("one\n")
    with DataDir(tmp_path) as data:
        assert data.node == "one"


def test_the_node_id_is_durable_before_it_is_used() -> None:
    """After a power cut at any operation the id is the one that was used, or none was."""
    for cut, mode in itertools.product(range(1, 20), ("least", "most", "mixed")):
        files = PowerLossFiles(cut_at=cut, seed=cut)
        used = list(_node_ids(files))
        files.pull_the_plug(mode)
        again = list(_node_ids(files))
        assert used in ([], again)


def _node_ids(files: PowerLossFiles) -> Iterator[str]:
    try:
        files.make_folder(Path("/data"))
        files.sync_folder(Path("/"))
        yield _node_id(files, Path("/data"))
    except PowerCut:
        return
