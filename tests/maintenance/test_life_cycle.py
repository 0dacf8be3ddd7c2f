"""Blocks over time: compacted, kept, expired and swept, in every order exactly once in the list."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from dask.distributed import Client

from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.commit_log import CommitConflict
from storage.local_objects import LocalStore
from storage.merge import merge
from storage.object_store import ObjectStore
from storage.objects import open_store
from tempo_dask import telemetry
from tempo_dask.kernels.otlp import decode
from tempo_dask.maintenance.compaction import Compacted, CompactGroup, compact_tenant
from tempo_dask.maintenance.cycle import SWEEP_EVERY_NS, Maintenance
from tempo_dask.maintenance.limits import DAY_NS, HOUR_NS, CompactionLimits
from tempo_dask.maintenance.retention import expire
from tempo_dask.maintenance.tasks import RunTasks, on_threads, one_by_one
from tests.ingest.numbered import START_NS, body, numbers_in
from tests.storage.plain_blocks import PlainFormat, plain_sources

LIMITS = CompactionLimits()
NOW = 1000 * DAY_NS


class Clock:
    def __init__(self) -> None:
        self.now_ns = NOW

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def objects() -> ObjectStore:
    return open_store("memory://")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def publish(store: BlockStore, numbers: Sequence[int], first: int, arrived_ns: int) -> str:
    chunk = Chunk.seal(merge([decode([body(numbers)])]), id=f"c{first}", tenant="t")
    arrived = (arrived_ns - 1, arrived_ns)
    meta = store.publish("t", [chunk], node="n", first_seq=first, last_seq=first, arrived_ns=arrived)
    assert meta is not None
    return meta.id


def publish_plain(store: BlockStore, names: list[str], first: int, arrived_ns: int = NOW) -> str:
    meta = store.publish(
        "t", plain_sources(names), node="n", first_seq=first, last_seq=first, arrived_ns=(arrived_ns, arrived_ns)
    )
    assert meta is not None
    return meta.id


def plain_store(objects: ObjectStore, clock: Clock) -> BlockStore:
    return BlockStore(objects, block_format=PlainFormat(), clock=clock)


def names_in(store: BlockStore) -> list[str]:
    return sorted(name for block in store.snapshot("t").blocks for name in block.names)


def test_spans_of_several_blocks_come_to_lie_in_one_each_once(tmp_path: Path) -> None:
    """Also what lies in two of them, and traces whose parts lie in several."""
    store, reader = BlockStore(LocalStore(tmp_path)), BlockStore(LocalStore(tmp_path))
    for place, numbers in enumerate([range(40), range(35, 80), [80, 2, 41]]):
        publish(store, numbers, 1 + place, NOW + place)
    before = reader.snapshot("t")
    seen: list[tuple[Compacted, int]] = []
    [result] = compact_tenant(
        store, "t", LIMITS, clock=lambda: START_NS, progress=lambda result, planned: seen.append((result, planned))
    )
    assert seen == [(result, 1)]
    assert result.block is not None
    assert result.block.arrived_ns == (NOW - 1, NOW + 2)
    for each in (store, reader, BlockStore(LocalStore(tmp_path))):
        [block] = each.snapshot("t").blocks
        assert numbers_in([block]) == list(range(81))
        assert block.meta.id == result.block.id
    assert sorted(set(numbers_in(before.blocks))) == list(range(81))
    assert store.block_list("t").blocks[result.block.id]["level"] == 1
    assert store.snapshot("t").flushed == {"n": 3}


@pytest.mark.parametrize("run", [one_by_one, on_threads(2)])
def test_groups_are_compacted_until_none_is_left(objects: ObjectStore, clock: Clock, run: RunTasks) -> None:
    store = plain_store(objects, clock)
    for n in range(21):
        publish_plain(store, [str(n)], n + 1)
    results = compact_tenant(store, "t", LIMITS, run=run, clock=clock)
    assert names_in(store) == sorted(map(str, range(21)))
    assert len(store.snapshot("t").blocks) == 1
    assert all(result.block is not None for result in results)
    assert compact_tenant(store, "t", LIMITS, run=run, clock=clock) == []


def test_what_stood_twice_is_counted(objects: ObjectStore, clock: Clock) -> None:
    store = plain_store(objects, clock)
    for place, names in enumerate((["0", "1"], ["1", "2", "3"])):
        publish_plain(store, names, place + 1)
    before = [_counted(name) for name in ("compaction_objects_combined_total", "compaction_spans_combined_total")]
    [result] = compact_tenant(store, "t", LIMITS, clock=clock)
    assert (result.fewer_traces, result.fewer_spans) == (1, 1)
    after = [_counted(name) for name in ("compaction_objects_combined_total", "compaction_spans_combined_total")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1]


def test_compaction_on_a_cluster(tmp_path: Path) -> None:
    objects = LocalStore(tmp_path)
    store = BlockStore(objects)
    for n in range(3):
        publish(store, range(3 * n, 3 * n + 3), 1 + n, NOW)
    task = CompactGroup(objects, "t", list(store.block_list("t").blocks))
    with Client(processes=False, dashboard_address="127.0.0.1:0", n_workers=1, threads_per_worker=1) as client:
        result = client.submit(task, pure=False).result()
    assert result.error is None
    assert numbers_in(store.snapshot("t").blocks) == list(range(9))


def test_of_two_compactions_with_a_common_input_one_wins(objects: ObjectStore, clock: Clock) -> None:
    stores = [plain_store(objects, clock) for _ in range(4)]
    ids = [publish_plain(stores[0], [name], n + 1) for n, name in enumerate("abc")]
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def compact(store: BlockStore, inputs: list[str]) -> None:
        start.wait()
        try:
            store.replace("t", inputs)
        except CommitConflict:
            outcomes.append("lost")
        else:
            outcomes.append("won")

    inputs = [ids[:2], ids[1:], ids, ids[:2]]
    threads = [threading.Thread(target=compact, args=each) for each in zip(stores, inputs, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost", "lost", "lost", "won"]
    assert names_in(plain_store(objects, clock)) == ["a", "b", "c"]
    folders = [name for name in objects.folders("t") if name not in {"log", "checkpoints"}]
    assert len(folders) == 3 + 1  # losers delete what they wrote


def test_what_cannot_be_read_is_left_out(objects: ObjectStore, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    store = plain_store(objects, clock)
    ids = [publish_plain(store, [str(n)], n + 1) for n in range(6)]
    objects.put(f"t/{ids[0]}/names.json", b"[]")
    results = compact_tenant(plain_store(objects, clock), "t", LIMITS, clock=clock)
    [failed] = [result for result in results if result.error is not None]
    assert ids[0] in failed.inputs
    snapshot = plain_store(objects, clock).snapshot("t")
    assert list(snapshot.set_aside) == [ids[0]]
    assert sorted(name for block in snapshot.blocks for name in block.names) == ["1", "2", "3", "4", "5"]


def test_spans_of_2022_survive_ten_cycles(tmp_path: Path) -> None:
    """Retention counts from arrival; old times stay and are found."""
    clock = Clock()
    clock.now_ns = START_NS + 3 * 365 * DAY_NS
    store = BlockStore(LocalStore(tmp_path), clock=clock)
    maintenance = Maintenance(store, LIMITS, clock=clock)
    for n in range(4):
        publish(store, range(5 * n, 5 * n + 5), n + 1, clock.now_ns)
    for _ in range(10):
        maintenance.step()
        clock.now_ns += DAY_NS
        window = (START_NS, START_NS + 1000)
        assert numbers_in(store.snapshot("t", window).blocks) == list(range(20))
        assert store.snapshot("t", (clock.now_ns - 10 * DAY_NS, clock.now_ns)).blocks == ()
    [record] = store.block_list("t").blocks.values()
    assert (record["start_ns"], record["end_ns"]) == (START_NS, START_NS + 1019)
    clock.now_ns += 5 * DAY_NS
    maintenance.step()
    assert store.snapshot("t").blocks == ()


def test_a_tenant_has_its_own_retention(objects: ObjectStore, clock: Clock) -> None:
    store = plain_store(objects, clock)
    old = publish_plain(store, ["old"], 1, NOW - 2 * HOUR_NS)
    new = publish_plain(store, ["new"], 2, NOW - HOUR_NS)
    assert expire(store, "t", 0, NOW) == []
    assert expire(store, "t", 3 * HOUR_NS, NOW) == []
    assert expire(store, "t", 90 * 60 * 10**9, NOW) == [old]
    assert list(store.block_list("t").blocks) == [new]


def test_retention_and_compaction_of_the_same_block(objects: ObjectStore, clock: Clock) -> None:
    """Whoever comes second finds its block gone, and looks again."""
    store, other = plain_store(objects, clock), plain_store(objects, clock)
    ids = [publish_plain(store, [name], n + 1, NOW - DAY_NS) for n, name in enumerate("ab")]
    remove = store.remove

    def compact_first(tenant: str, block_ids: Sequence[str]) -> None:
        store.remove = remove  # type: ignore[method-assign]
        other.replace(tenant, ids)
        remove(tenant, block_ids)

    store.remove = compact_first  # type: ignore[method-assign]
    [expired] = expire(store, "t", HOUR_NS, NOW)
    assert expired not in ids
    assert names_in(other) == []
    with pytest.raises(CommitConflict):
        other.replace("t", ids)


def test_files_go_when_no_reader_can_hold_an_older_list(objects: ObjectStore, clock: Clock) -> None:
    store = plain_store(objects, clock)
    ids = [publish_plain(store, [str(n)], n + 1) for n in range(2)]
    older = plain_store(objects, clock).snapshot("t")
    maintenance = Maintenance(store, LIMITS, clock=clock)
    before = [_counted(name) for name in ("compaction_blocks_total", "retention_deleted_total")]
    maintenance.step()
    clock.now_ns += SWEEP_EVERY_NS
    maintenance.step()
    assert set(ids) <= set(objects.folders("t"))
    assert sorted(name for block in older.blocks for name in block.names) == ["0", "1"]
    clock.now_ns += LIMITS.compacted_block_retention
    maintenance.step()
    assert not set(ids) & set(objects.folders("t"))
    assert names_in(plain_store(objects, clock)) == ["0", "1"]
    after = [_counted(name) for name in ("compaction_blocks_total", "retention_deleted_total")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 2]


def _counted(name: str) -> float:
    labels = {"level": "0"} if name.startswith("compaction") else {}
    if name == "compaction_spans_combined_total":
        labels = {"replication_factor": "1"}
    return telemetry.REGISTRY.get_sample_value(f"tempodb_{name}", labels) or 0


def test_blocks_that_left_the_list_leave_caches(objects: ObjectStore, clock: Clock) -> None:
    forgotten: list[str] = []
    store = BlockStore(objects, block_format=PlainFormat(), clock=clock, forget=forgotten.append)
    ids = [publish_plain(store, [str(n)], n + 1) for n in range(2)]
    store.snapshot("t")
    [result] = compact_tenant(plain_store(objects, clock), "t", LIMITS, clock=clock)
    assert forgotten == []
    [block] = store.snapshot("t").blocks
    assert sorted(forgotten) == sorted(ids)
    assert result.block is not None
    assert block.meta.id == result.block.id


def test_a_tenant_may_be_left_alone(objects: ObjectStore, clock: Clock) -> None:
    store = plain_store(objects, clock)
    for n in range(2):
        publish_plain(store, [str(n)], n + 1)
    Maintenance(store, LIMITS, clock=clock, is_compacted=lambda tenant: tenant != "t").step()
    assert len(store.snapshot("t").blocks) == 2


def test_backfilled_spans_are_found_by_their_own_time(tmp_path: Path) -> None:
    store = BlockStore(LocalStore(tmp_path))
    publish(store, range(9), 1, NOW)
    [block] = store.snapshot("t", (START_NS + 3, START_NS + 4)).blocks
    assert (block.meta.start_ns, block.meta.end_ns) == (START_NS, START_NS + 1008)
    assert store.snapshot("t", (NOW, NOW + DAY_NS)).blocks == ()
    assert np.asarray(block.sorted_trace_ids()).shape == (3, 16)
