"""Erased traces are gone: from every answer at once, from every file in the end; the others stay."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from storage.block.writer import Origin
from storage.block_format import ParquetFormat
from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.commit_log import CommitConflict, Erasing
from storage.errors import StorageError
from storage.local_objects import LocalStore
from storage.merge import merge
from storage.merge_parts import TraceIds
from tempo_dask.ingest.live import LiveStore
from tempo_dask.ingest.sources import Sources
from tempo_dask.kernels.otlp import decode
from tempo_dask.maintenance.cycle import Maintenance
from tempo_dask.maintenance.erase import (
    EraseUnfinished,
    advance,
    find_traces,
    give_up_node,
    hide_traces,
    wait_until_gone,
)
from tempo_dask.maintenance.limits import CompactionLimits
from tests.ingest.numbered import body, numbers_in

SECOND_NS = 10**9


class Clock:
    """Time that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now_ns = 1_800_000_000 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def store_of(folder: Path, clock: Clock) -> BlockStore:
    return BlockStore(LocalStore(folder), block_format=ParquetFormat(6), clock=clock)


def chunk_of(numbers: Sequence[int], seq: int) -> Chunk:
    tables = merge([decode([body(numbers)])])
    return Chunk.seal(tables, id=uuid.uuid4().hex, tenant="t", first_seq=seq, last_seq=seq)


def publish(store: BlockStore, numbers: Sequence[int], seq: int, node: str = "n") -> str:
    meta = store.publish("t", [chunk_of(numbers, seq)], node=node, first_seq=seq, last_seq=seq, arrived_ns=(seq, seq))
    assert meta is not None
    return meta.id


def trace_of(number: int) -> bytes:
    return (number // 3 + 1).to_bytes(16, "big")


def seen(store: BlockStore) -> list[int]:
    return numbers_in(store.snapshot("t").blocks)


def cleared(store: BlockStore, erasure_id: str, node: str = "n") -> None:
    """Note that a node has done its part."""
    store.commit_erasing("t", Erasing(cleared={erasure_id: node}))


def gone(store: BlockStore, erasure_id: str, clock: Clock) -> None:
    wait_until_gone(store, "t", [erasure_id], wait_s=1000, clock=clock, sleep=clock.sleep)


def test_hidden_at_once_for_every_reader(tmp_path: Path, clock: Clock) -> None:
    """By the entry of the log alone, in blocks and live, with no file rewritten; another process sees the same."""
    store, other = store_of(tmp_path, clock), store_of(tmp_path, clock)
    publish(store, range(20), 1)
    publish(store, [3, 30, 31], 2)
    assert len(seen(other)) == 23
    before = store.block_list("t").blocks
    hide_traces(store, "t", [trace_of(4), trace_of(31)], grace_s=6, clock=clock)
    live = LiveStore()
    live.after = lambda _tenant, _seq: (chunk_of([4, 32, 50], 9),)  # type: ignore[method-assign]
    for each in (store, other, store_of(tmp_path, clock)):
        assert seen(each) == [0, 1, 2, *range(6, 20)]
        assert each.block_list("t").blocks == before
        sources = Sources(each, live, "n")
        sources.open()
        assert numbers_in(asyncio.run(sources.snapshot("t"))) == [0, 1, 2, *range(6, 20), 50]


def test_traces_leave_every_block_and_every_file(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock)
    ids = [
        publish(store, range(20), 1),
        publish(store, [3, 30, 31], 2),
        publish(store, [40], 3),
        publish(store, [4], 4),
    ]
    wanted = [trace_of(4), trace_of(31), trace_of(1000)]
    assert find_traces(store, "t", wanted).blocks == {ids[0]: 1, ids[1]: 2, ids[3]: 1}
    before = store.block_list("t").blocks
    said: list[str] = []
    erasure_id = hide_traces(store, "t", wanted, grace_s=6, clock=clock)
    cleared(store, erasure_id)
    started_ns = clock()
    wait_until_gone(store, "t", [erasure_id], wait_s=1000, progress=said.append, clock=clock, sleep=clock.sleep)
    assert said[-1] == "gone"
    assert clock() - started_ns >= 6 * SECOND_NS  # readers were waited out
    for each in (store, store_of(tmp_path, clock)):
        assert seen(each) == [0, 1, 2, *range(6, 20), 40]
        assert find_traces(each, "t", wanted).blocks == {}
        assert each.block_list("t").hidden == {}
    folders = {path.name for path in (tmp_path / "t").iterdir()} - {"log", "checkpoints", "erasures"}
    assert folders == set(store.block_list("t").blocks)
    kept = store.block_list("t").blocks.values()
    assert sorted(record["arrived_ns"] for record in kept) == [1, 3]
    assert before[ids[2]] in kept
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        data = path.read_bytes()
        assert all(each not in data and each.hex().encode() not in data for each in wanted), path


def test_files_of_blocks_compacted_before_go_as_well(tmp_path: Path, clock: Clock) -> None:
    """They left the list earlier, and a compaction that crashed left one that was never in it."""
    store = store_of(tmp_path, clock)
    ids = [publish(store, [0, 6], 1), publish(store, [1, 9], 2)]
    store.replace("t", ids)
    leftover = store.block_format.write([chunk_of([0, 12], 3)], _origin())
    store._store(f"t/{leftover.meta.id}", leftover.files)
    harmless = store.block_format.write([chunk_of([12], 3)], _origin())
    store._store(f"t/{harmless.meta.id}", harmless.files)
    erasure_id = hide_traces(store, "t", [trace_of(0)], grace_s=6, clock=clock)
    cleared(store, erasure_id)
    gone(store, erasure_id, clock)
    left = {path.name for path in (tmp_path / "t").iterdir()}
    assert left.isdisjoint([*ids, leftover.meta.id])
    assert harmless.meta.id in left
    assert seen(store) == [6, 9]


def _origin() -> Origin:
    return Origin(str(uuid.uuid4()), "t")


def test_readers_keep_their_files_for_the_grace_period(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock)
    publish(store, range(5), 1)
    reader = store_of(tmp_path, clock).snapshot("t")
    erasure_id = hide_traces(store, "t", [trace_of(0)], grace_s=9, clock=clock)
    cleared(store, erasure_id)
    with pytest.raises(EraseUnfinished, match="queries that began before"):
        wait_until_gone(store, "t", [erasure_id], wait_s=3, clock=clock, sleep=clock.sleep)
    assert numbers_in(reader.blocks) == list(range(5))
    assert seen(store) == [3, 4]
    gone(store, erasure_id, clock)


def test_nodes_are_waited_for(tmp_path: Path, clock: Clock) -> None:
    """Also one that has flushed nothing yet; not one that is given up."""
    store = store_of(tmp_path, clock)
    publish(store, range(5), 1)
    store.commit_erasing("t", Erasing(joined=["m"]))
    erasure_id = hide_traces(store, "t", [trace_of(0)], grace_s=0, clock=clock)
    for node in ("m", "n"):
        assert any(node in waited.why for waited in advance(store, "t", erasure_id, clock=clock))
    give_up_node(store, "t", erasure_id, "m")
    cleared(store, erasure_id)
    assert advance(store, "t", erasure_id, clock=clock) == []
    assert advance(store, "t", erasure_id, clock=clock) == []


def test_what_comes_later_is_kept(tmp_path: Path, clock: Clock) -> None:
    """What comes before the end goes with the rest."""
    store = store_of(tmp_path, clock)
    publish(store, [0, 3], 1)
    erasure_id = hide_traces(store, "t", [trace_of(0)], grace_s=0, clock=clock)
    publish(store, [1, 6], 2)
    assert store.publish("t", [chunk_of([2], 3)], node="n", first_seq=3, last_seq=3, arrived_ns=(3, 3)) is None
    assert seen(store) == [3, 6]
    cleared(store, erasure_id)
    gone(store, erasure_id, clock)
    assert seen(store) == [3, 6]
    publish(store, [0, 1], 4)
    assert seen(store) == [0, 1, 3, 6]
    assert seen(store_of(tmp_path, clock)) == [0, 1, 3, 6]


def test_a_block_begun_before_is_not_listed_with_what_was_hidden_since(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of a flush nor of a compaction."""
    store, other = store_of(tmp_path, clock), store_of(tmp_path, clock)
    ids = [publish(store, [0, 6], 1), publish(store, [3, 9], 2)]
    write = BlockStore._write

    def hide_meanwhile(number: int) -> None:
        def hide_first(self: BlockStore, *args: object, **kwargs: object) -> object:
            monkeypatch.setattr(BlockStore, "_write", write)
            made = write(self, *args, **kwargs)  # type: ignore[arg-type]
            hide_traces(other, "t", [trace_of(number)], grace_s=0, clock=clock)
            return made

        monkeypatch.setattr(BlockStore, "_write", hide_first)

    hide_meanwhile(0)
    publish(store, [1, 12], 3)
    assert [store.count_held("t", each, _ids(0)) for each in store.block_list("t").blocks] == [1, 0, 0]
    hide_meanwhile(3)
    with pytest.raises(CommitConflict):
        store.replace("t", ids)
    assert seen(store) == [6, 9, 12]
    store.replace("t", ids)
    assert [store.count_held("t", each, _ids(0, 3)) for each in store.block_list("t").blocks] == [0, 0]
    assert seen(store) == [6, 9, 12]


def _ids(*numbers: int) -> TraceIds:
    return np.frombuffer(b"".join(map(trace_of, numbers)), np.uint8).reshape(-1, 16)


def test_of_an_erasure_and_compactions_none_brings_traces_back(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock)
    ids = [publish(store, [n, n + 30], n // 3 + 1) for n in range(0, 12, 3)]
    start = threading.Barrier(3)

    def compact(inputs: list[str]) -> None:
        start.wait()
        try:
            store_of(tmp_path, clock).replace("t", inputs)
        except CommitConflict:
            return

    threads = [threading.Thread(target=compact, args=(inputs,)) for inputs in (ids[:2], ids[2:])]
    for thread in threads:
        thread.start()
    start.wait()
    erasure_id = hide_traces(store, "t", [trace_of(0), trace_of(9)], grace_s=0, clock=clock)
    cleared(store, erasure_id)
    for _ in range(3):
        advance(store, "t", erasure_id, clock=clock)
    for thread in threads:
        thread.join()
    gone(store, erasure_id, clock)
    assert seen(store_of(tmp_path, clock)) == [3, 6, 30, 33, 36, 39]


def test_the_maintenance_finishes_what_was_begun(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock)
    publish(store, range(5), 1)
    cleared(store, hide_traces(store, "t", [trace_of(0)], grace_s=30, clock=clock))
    keeper = Maintenance(store_of(tmp_path, clock), CompactionLimits(block_retention=0), clock=clock)
    keeper.step()
    assert store.block_list("t").hidden
    clock.sleep(31)
    keeper.step()
    assert not store.block_list("t").hidden
    assert not list((tmp_path / "t").glob("erasures/*"))
    assert seen(store) == [3, 4]


def test_a_block_that_cannot_be_searched_is_told(tmp_path: Path, clock: Clock) -> None:
    """The others are rewritten; readers are without it, and know."""
    store = store_of(tmp_path, clock)
    damaged, _ = publish(store, range(5), 1), publish(store, [1, 9], 2)
    (tmp_path / "t" / damaged / "trace_ids.npy").unlink()
    store = store_of(tmp_path, clock)
    erasure_id = hide_traces(store, "t", [trace_of(0)], grace_s=0, clock=clock)
    cleared(store, erasure_id)
    with pytest.raises(EraseUnfinished, match=damaged):
        gone(store, erasure_id, clock)
    snapshot = store.snapshot("t")
    assert numbers_in(snapshot.blocks) == [9]
    assert damaged in snapshot.set_aside


@pytest.mark.parametrize("damage", ["lost", "torn", "changed"])
def test_nothing_is_shown_where_it_cannot_be_told_what_is_hidden(tmp_path: Path, clock: Clock, damage: str) -> None:
    store = store_of(tmp_path, clock)
    publish(store, range(5), 1)
    hide_traces(store, "t", [trace_of(0)], grace_s=0, clock=clock)
    [ids] = (tmp_path / "t" / "erasures").iterdir()
    data = ids.read_bytes()
    ids.unlink()
    if damage != "lost":
        ids.write_bytes(data[:-1] if damage == "torn" else data[:-1] + b"x")
    with pytest.raises(StorageError):
        store_of(tmp_path, clock).snapshot("t")


def test_ids_must_be_ids(tmp_path: Path, clock: Clock) -> None:
    store = store_of(tmp_path, clock)
    for wanted in ([b"short"], []):
        with pytest.raises(ValueError, match="16 bytes"):
            hide_traces(store, "t", wanted, grace_s=0)
