"""Logs are read without their lock, while their node writes and lets go."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.wal import Wal
from storage.wal_reading import read_logs


def _read(folder: Path, tenant: str = "t", **flushed: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for segment in read_logs(folder, tenant, flushed):
        found.setdefault(segment.node, []).extend(record.seq for record in segment.records)
    return found


def test_records_are_read_while_the_log_is_open(tmp_path: Path) -> None:
    with Wal(tmp_path / "wal", "n", segment_bytes=100) as wal, Wal(tmp_path / "wal", "m") as other:
        for number in range(6):
            wal.append([("t" if number % 2 else "u", b"%d" % number * 50)])
        other.append([("t", b"x")])
        assert wal.segment_count > 2
        assert _read(tmp_path / "wal") == {"n": [2, 4, 6], "m": [1]}
        assert _read(tmp_path / "wal", n=2, m=1) == {"n": [4, 6], "m": []}
        bodies = [record.body for segment in read_logs(tmp_path / "wal", "u", {}) for record in segment.records]
        assert bodies == [b"%d" % number * 50 for number in (0, 2, 4)]


def test_a_torn_tail_is_left_out(tmp_path: Path) -> None:
    with Wal(tmp_path / "wal", "n") as wal:
        wal.append([("t", b"first"), ("t", b"second")])
    [segment] = (tmp_path / "wal" / "n").iterdir()
    segment.write_bytes(segment.read_bytes()[:-1])
    assert _read(tmp_path / "wal") == {"n": [1]}


def test_broken_bytes_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Wal(tmp_path / "wal", "n") as wal:
        wal.append([("t", b"first"), ("t", b"second")])
    [segment] = (tmp_path / "wal" / "n").iterdir()
    data = bytearray(segment.read_bytes())
    data[data.index(b"first")] ^= 1
    segment.write_bytes(data)
    assert _read(tmp_path / "wal") == {"n": [2]}
    assert "broken bytes" in caplog.text


def test_a_segment_that_went_meanwhile_is_in_blocks(tmp_path: Path) -> None:
    with Wal(tmp_path / "wal", "n", segment_bytes=1) as wal:
        wal.append([("t", b"first")])
        wal.append([("t", b"second")])
        reading = read_logs(tmp_path / "wal", "t", {})
        assert [record.seq for record in next(reading).records] == [1]
        wal.release(2)
        assert [record.seq for segment in reading for record in segment.records] == []


def test_no_log_holds_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path / "wal") == {}
