"""The write-ahead log on disks that fill up and machines that lose power, at every single operation."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import random
from pathlib import Path

import pytest

from storage.wal import Wal, WalWriteError
from tests.storage.power_loss import PowerCut, PowerLossFiles

NODE = "node-1"
FOLDER = Path("/data/wal")
FULL = errno.ENOSPC


def contents(wal: Wal, after: dict[str, int] | None = None) -> list[tuple[int, str, bytes]]:
    return [(record.seq, record.tenant, record.body) for record in wal.replay(after or {})]


def script(wal: Wal, acknowledged: dict[int, bytes], attempted: set[bytes], released: list[int]) -> None:
    """Append groups, release some; remember what was acknowledged."""
    for group in range(6):
        bodies = [b"%d.%d." % (group, i) + b"x" * group * 10 for i in range(1 + group % 3)]
        attempted.update(bodies)
        try:
            acknowledged.update(zip(wal.append([("t", body) for body in bodies]), bodies, strict=True))
        except WalWriteError:
            continue
        if group in {2, 4}:
            released.append(max(acknowledged) - 1)
            wal.release(released[-1])


def open_log(files: PowerLossFiles) -> Wal:
    files.make_folder(FOLDER.parent)
    files.sync_folder(Path("/"))
    return Wal(FOLDER, NODE, segment_bytes=150, files=files, clock=lambda: 5)


def check(wal: Wal, acknowledged: dict[int, bytes], attempted: set[bytes], released: int) -> None:
    """What was acknowledged and not released is there, under its number; nothing is there that nobody sent."""
    records = [(record.seq, record.body) for record in wal.replay({})]
    assert [seq for seq, _ in records] == sorted({seq for seq, _ in records})
    found = dict(records)
    for seq, body in acknowledged.items():
        assert found.get(seq, body if seq <= released else None) == body
    assert set(found.values()) <= attempted
    (fresh,) = wal.append([("t", b"fresh")])
    assert fresh > max([*acknowledged, *found, 0])
    assert contents(wal)[-1] == (fresh, "t", b"fresh")


def operations_of_the_script() -> range:
    """Return the numbers of the operations of the script, behind those that open the log."""
    files = PowerLossFiles()
    wal = open_log(files)
    opened = files.operations
    script(wal, {}, set(), [])
    return range(opened + 1, files.operations + 1)


@pytest.mark.parametrize("mode", ["least", "most", "mixed"])
def test_power_may_fail_at_every_operation(mode: str) -> None:
    for cut, seed in itertools.product(
        range(1, operations_of_the_script().stop + 1), range(5 if mode == "mixed" else 1)
    ):
        files = PowerLossFiles(cut_at=cut, seed=seed)
        acknowledged: dict[int, bytes] = {}
        attempted: set[bytes] = set()
        released: list[int] = []
        with contextlib.suppress(PowerCut):
            script(open_log(files), acknowledged, attempted, released)
        files.pull_the_plug(mode)
        check(open_log(files), acknowledged, attempted, max(released, default=0))


@pytest.mark.parametrize("run", [1, 2, 3, 4])
def test_any_operation_may_fail(run: int) -> None:
    """Of `run` operations in a row that fail, a disk that is full for a while; then the process is killed."""
    for first in operations_of_the_script():
        files = PowerLossFiles(seed=first)
        files.failures = dict.fromkeys(range(first, first + run), FULL)
        acknowledged: dict[int, bytes] = {}
        attempted: set[bytes] = set()
        released: list[int] = []
        wal = open_log(files)
        script(wal, acknowledged, attempted, released)
        found = {seq: body for seq, _, body in contents(wal)}
        kept = {seq: body for seq, body in acknowledged.items() if seq > max(released, default=0)}
        assert kept.items() <= found.items()
        files.failures = {}
        reopened = open_log(files)
        check(reopened, acknowledged, attempted, max(released, default=0))


def test_what_a_replay_shows_is_durable() -> None:
    """A process was killed before it synced; what another one finds and shows to readers must survive a cut."""
    for cut in range(1, operations_of_the_script().stop):
        files = PowerLossFiles(cut_at=cut, seed=cut)
        with contextlib.suppress(PowerCut):
            script(open_log(files), {}, set(), [])
        files.cut_at = None  # killed, not cut: everything live is still live
        log = open_log(files)
        log.append([("t", b"acknowledged by the other one")])
        shown = contents(log)
        files.pull_the_plug("least")
        assert set(contents(open_log(files))) >= set(shown)  # released ones may be back


@pytest.mark.parametrize("seed", range(60))
def test_power_and_disk_fail_again_and_again(seed: int) -> None:
    """Several lives of one log, each with failures and a power cut, checked after each."""
    rng = random.Random(seed)
    files = PowerLossFiles(seed=seed)
    acknowledged: dict[int, bytes] = {}
    attempted: set[bytes] = set()
    released = [0]
    for life in range(5):
        files.cut_at = files.operations + rng.randint(1, 80)
        files.failures = {files.operations + rng.randint(1, 80): FULL for _ in range(rng.randint(0, 4))}
        with contextlib.suppress(PowerCut, OSError):
            wal = open_log(files)
            for step in range(rng.randint(1, 12)):
                bodies = [b"%d.%d.%d" % (life, step, i) for i in range(rng.randint(1, 4))]
                attempted.update(bodies)
                with contextlib.suppress(WalWriteError):
                    seqs = wal.append([("t", body) for body in bodies])
                    acknowledged.update(zip(seqs, bodies, strict=True))
                if acknowledged and rng.random() < 0.2:
                    released.append(rng.randint(released[-1], max(acknowledged)))
                    wal.release(released[-1])
        files.pull_the_plug(rng.choice(["least", "most", "mixed"]))
        records = [(record.seq, record.body) for record in open_log(files).replay({})]
        assert [seq for seq, _ in records] == sorted({seq for seq, _ in records})
        found = dict(records)
        lost = {seq for seq, body in acknowledged.items() if seq > released[-1] and found.get(seq) != body}
        assert not lost
        assert all(acknowledged.get(seq, body) == body for seq, body in found.items())
        assert set(found.values()) <= attempted
        acknowledged.update(found)  # a reader has seen them, so their numbers are taken


def test_a_full_disk_is_told_and_the_log_lives_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real file system, with a device that takes half a write and then no more."""
    with Wal(tmp_path, NODE) as wal:
        wal.append([("t", b"before")])
        write = os.write

        def full(descriptor: int, data: memoryview) -> int:
            if len(data) > 10:
                return write(descriptor, data[: len(data) // 2])
            raise OSError(FULL, "No space left on device")

        monkeypatch.setattr("os.write", full)
        for _ in range(3):
            with pytest.raises(WalWriteError, match="No space left on device"):
                wal.append([("t", b"refused")])
        monkeypatch.undo()
        seqs = wal.append([("t", b"after")])
        assert [body for _, _, body in contents(wal)] == [b"before", b"after"]
    with Wal(tmp_path, NODE) as wal:
        assert contents(wal) == [(1, "t", b"before"), (seqs[0], "t", b"after")]


def test_an_interrupted_append_does_not_cost_later_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes that the interrupted append left must not count as room that a later cut may take."""
    with Wal(tmp_path, NODE) as wal:
        sync = os.fsync

        def interrupted(descriptor: int) -> None:
            monkeypatch.setattr("os.fsync", sync)
            raise KeyboardInterrupt

        monkeypatch.setattr("os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            wal.append([("t", b"interrupted")])
        wal.append([("t", b"acknowledged")])
        (path,) = (tmp_path / NODE).iterdir()
        assert path.stat().st_size == wal.size_bytes
        assert [body for _, _, body in contents(wal)] == [b"acknowledged"]
