"""The write-ahead log: what was acknowledged comes back, once and in order."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.wal import Wal, WalRecord, WalWriteError
from storage.wal_frames import HEADER_BYTES, RecordTooLarge
from tests.storage.power_loss import PowerLossFiles

NODE = "node-1"
FOLDER = Path("/data/wal")


def contents(wal: Wal, after: dict[str, int] | None = None) -> list[tuple[int, str, bytes]]:
    return [(record.seq, record.tenant, record.body) for record in wal.replay(after or {})]


def test_numbers_run_on_and_records_come_back(tmp_path: Path) -> None:
    with Wal(tmp_path, NODE, clock=lambda: 1234) as wal:
        assert wal.append([("a", b"1"), ("b", b"2")]) == range(1, 3)
        assert wal.append([]) == range(3, 3)
        assert wal.append([("a", b"3")], arrived_ns=99) == range(3, 4)
        assert list(wal.replay({})) == [
            WalRecord(1, "a", b"1", 1234),
            WalRecord(2, "b", b"2", 1234),
            WalRecord(3, "a", b"3", 99),
        ]
    with Wal(tmp_path, NODE) as wal:
        assert contents(wal, {"a": 1}) == [(2, "b", b"2"), (3, "a", b"3")]
        assert contents(wal, {"a": 3, "b": 1}) == [(2, "b", b"2")]
        assert wal.append([("a", b"4")]) == range(4, 5)


def test_segments_are_bounded_and_a_group_is_not_split(tmp_path: Path) -> None:
    with Wal(tmp_path, NODE, segment_bytes=500) as wal:
        for number in range(20):
            wal.append([("t", b"x" * 100)] * (1 + number % 3))
        assert wal.segment_count > 5
        sizes = [path.stat().st_size for path in (tmp_path / NODE).iterdir()]
        assert max(sizes) < 500 + 3 * (HEADER_BYTES + 101)
        assert sum(sizes) == wal.size_bytes
        assert [seq for seq, _, _ in contents(wal)] == list(range(1, 40))


def test_only_segments_that_are_wholly_released_go(tmp_path: Path) -> None:
    with Wal(tmp_path, NODE, segment_bytes=1) as wal:
        for _ in range(5):
            wal.append([("t", b"a"), ("t", b"b")])
        assert wal.segment_count == 5
        wal.release(0)
        assert wal.segment_count == 5
        wal.release(5)
        assert [seq for seq, _, _ in contents(wal)] == [5, 6, 7, 8, 9, 10]
        wal.release(10)
        assert contents(wal) == []
        assert wal.segment_count == 1
        wal.release(10)
        assert wal.segment_count == 1


def test_numbers_do_not_start_again_when_everything_was_released(tmp_path: Path) -> None:
    for generation in range(3):
        with Wal(tmp_path, NODE) as wal:
            assert wal.append([("t", b"x")] * 3) == range(generation * 3 + 1, generation * 3 + 4)
            wal.release(generation * 3 + 3)
            assert contents(wal) == []


def test_numbers_stay_above_what_was_flushed_when_the_log_is_lost(tmp_path: Path) -> None:
    """Else the new records would hide behind the flushed number."""
    with Wal(tmp_path, NODE) as wal:
        assert list(wal.replay({"a": 41, "b": 7})) == []
        assert wal.append([("a", b"x")]) == range(42, 43)
        assert contents(wal, {"a": 41}) == [(42, "a", b"x")]


def test_logs_of_two_nodes_do_not_mix(tmp_path: Path) -> None:
    with Wal(tmp_path, "one") as wal:
        wal.append([("t", b"x")])
    with Wal(tmp_path, "two") as wal:
        assert contents(wal) == []


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / NODE).mkdir()
    (tmp_path / NODE / "README").write_text("hands off")
    with Wal(tmp_path, NODE) as wal:
        wal.append([("t", b"x")])
        wal.release(1)
    assert (tmp_path / NODE / "README").read_text() == "hands off"


def test_a_torn_tail_is_cut_at_every_byte(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Wal(tmp_path, NODE) as wal:
        wal.append([("t", b"kept")])
        kept = wal.size_bytes
        wal.append([("t", b"torn")])
    (path,) = (tmp_path / NODE).iterdir()
    whole = path.read_bytes()
    for cut in range(kept, len(whole)):
        path.write_bytes(whole[:cut])
        with caplog.at_level(logging.WARNING), Wal(tmp_path, NODE) as wal:
            assert contents(wal) == [(1, "t", b"kept")]
            assert path.stat().st_size == kept
            assert wal.append([("t", b"new")]) == range(2, 3)
            assert contents(wal) == [(1, "t", b"kept"), (2, "t", b"new")]
        assert ("torn tail" in caplog.text) == (cut > kept)
        caplog.clear()


def test_a_broken_frame_in_the_middle_is_told_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Wal(tmp_path, NODE) as wal:
        wal.append([("t", b"one"), ("t", b"two"), ("t", b"three")])
    (path,) = (tmp_path / NODE).iterdir()
    data = bytearray(path.read_bytes())
    data[data.index(b"two")] ^= 1
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING), Wal(tmp_path, NODE) as wal:
        assert wal.broken_frames == 1
        assert "skipped 44 broken bytes at 44" in caplog.text
        assert contents(wal) == [(1, "t", b"one"), (3, "t", b"three")]
        assert wal.append([("t", b"four")]) == range(4, 5)


def test_a_replay_sees_what_was_acknowledged_before_it(tmp_path: Path) -> None:
    with Wal(tmp_path, NODE) as wal:
        wal.append([("t", b"before")])
        replay = wal.replay({})
        wal.append([("t", b"after")])
        assert [record.body for record in replay] == [b"before"]


def test_many_threads_append(tmp_path: Path) -> None:
    """Every number is given once, to the record that stands under it."""
    given_out: dict[int, bytes] = {}
    with Wal(tmp_path, NODE, segment_bytes=2000) as wal:

        def work(name: int) -> None:
            for number in range(30):
                bodies = [b"%d-%d-%d" % (name, number, i) for i in range(3)]
                given_out.update(zip(wal.append([("t", body) for body in bodies]), bodies, strict=True))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert {seq: body for seq, _, body in contents(wal)} == given_out
        assert sorted(given_out) == list(range(1, 361))


def test_a_closed_log_takes_nothing(tmp_path: Path) -> None:
    wal = Wal(tmp_path, NODE)
    wal.close()
    wal.close()
    with pytest.raises(WalWriteError, match="closed"):
        wal.append([("t", b"x")])
    wal.release(10)


def test_a_damaged_data_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / NODE).write_text("a file where the folder should be")
    with pytest.raises(OSError, match="exists"):
        Wal(tmp_path, NODE)


def test_what_does_not_fit_a_frame_is_refused(tmp_path: Path) -> None:
    with Wal(tmp_path, NODE) as wal:
        with pytest.raises(RecordTooLarge):
            wal.append([("t", b"good"), ("x" * 256, b"")])
        assert wal.append([("t", b"a")]) == range(1, 2)
        assert contents(wal) == [(1, "t", b"a")]


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_a_changed_byte_anywhere_costs_one_record(data: st.DataObject) -> None:
    """Whatever a byte of a segment turns into, all other records come back."""
    files = PowerLossFiles()
    files.make_folder(FOLDER)
    wal = Wal(FOLDER, NODE, files=files)
    wal.append([("t", b"a" * 10), ("t", b"b" * 10), ("t", b"c" * 10)])
    (entry,) = files.entries(FOLDER / NODE)
    inode = files._file(FOLDER / NODE / entry.name)
    at = data.draw(st.integers(0, len(inode.live) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != inode.live[at]))
    inode.live = inode.live[:at] + bytes([value]) + inode.live[at + 1 :]
    bodies = [body for _, _, body in contents(Wal(FOLDER, NODE, files=files))]
    assert len(bodies) == 2
    assert set(bodies) < {b"a" * 10, b"b" * 10, b"c" * 10}
