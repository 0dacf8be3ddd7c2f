"""The block store: what is published is seen at once and wholly, what is not is never seen, and damage stays local."""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from storage.block.listed import described_by
from storage.block.meta import DESCRIPTION, BlockMeta
from storage.block_store import BlockStore, PublishTooSlow
from storage.chunk import Chunk
from storage.commit_log import AlreadyFlushed, CommitLog
from storage.errors import StorageError
from storage.files import Data
from storage.local_objects import LocalStore
from storage.merge import merge
from storage.object_store import ObjectStore, StoreUnavailable
from storage.objects import open_store
from storage.sweep import UNLISTED_KEPT_NS
from storage.tenants import InvalidTenant
from tests.otlp_oracle import Resource, Scope, Span
from tests.storage.builder import tables_of
from tests.storage.plain_blocks import NAMES, PlainFormat, plain_sources
from tests.storage.stores import CountingStore, FailingStore, ForgetfulStore, WrappedStore

HOUR_NS = 3600 * 10**9


@pytest.fixture(params=["memory", "local"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store("memory://") if request.param == "memory" else LocalStore(tmp_path)


class Clock:
    """The real time, and as much as it is set forward."""

    def __init__(self) -> None:
        self.offset_ns = 0

    def __call__(self) -> int:
        return time.time_ns() + self.offset_ns


def store_of(objects: ObjectStore, clock: Callable[[], int] = time.time_ns) -> BlockStore:
    return BlockStore(objects, block_format=PlainFormat(), clock=clock)


def publish(store: BlockStore, names: list[str], first: int, *, tenant: str = "t", node: str = "n") -> BlockMeta | None:
    last = first + max(len(names), 1) - 1
    return store.publish(
        tenant, plain_sources(names), node=node, first_seq=first, last_seq=last, arrived_ns=(1000 + first, 1000 + last)
    )


def names_in(store: BlockStore, tenant: str = "t", window: tuple[int, int] | None = None) -> list[str]:
    return [name for block in store.snapshot(tenant, window).blocks for name in block.names]


def folders_of(objects: ObjectStore, tenant: str = "t") -> list[str]:
    return [name for name in objects.folders(tenant) if name not in {"log", "checkpoints"}]


def test_what_is_published_is_seen_by_all(objects: ObjectStore) -> None:
    store, other = store_of(objects), store_of(objects)
    assert (other.snapshot("t").number, other.snapshot("t").blocks) == (0, ())
    meta = publish(store, ["a", "b"], 1)
    publish(store, ["c"], 3)
    assert meta is not None
    for each in (store, other, store_of(objects)):
        snapshot = each.snapshot("t")
        assert [block.names for block in snapshot.blocks] == [("a", "b"), ("c",)]
        assert (snapshot.number, dict(snapshot.flushed), snapshot.set_aside) == (2, {"n": 3}, {})
        assert snapshot.blocks[0].meta.id == meta.id


def test_the_log_keeps_what_life_cycle_needs(objects: ObjectStore) -> None:
    store = store_of(objects)
    meta = publish(store, ["500", "20"], 7)
    assert meta is not None
    assert store.block_list("t").blocks == {
        meta.id: {
            "id": meta.id,
            "node": "n",
            "first_seq": 7,
            "last_seq": 8,
            "first_arrived_ns": 1007,
            "arrived_ns": 1008,
            "start_ns": 20,
            "end_ns": 500,
            "span_count": 2,
            "trace_count": 2,
            "size_bytes": len(objects.get(f"t/{meta.id}/{NAMES}")),
            "description_bytes": len(meta.encode()),
            "description_crc32c": google_crc32c.value(objects.get(f"t/{meta.id}/{DESCRIPTION}")),
            "level": 0,
        }
    }


def test_tenants(objects: ObjectStore) -> None:
    store = store_of(objects)
    publish(store, ["a"], 1, tenant="t2")
    publish(store, ["a"], 2, tenant="t1")
    objects.put("no-log/x/y", b"")
    objects.put("~odd/log/1", b"")
    assert store.tenants() == store_of(objects).tenants() == ["t1", "t2"]
    assert names_in(store, "t3") == []
    assert store.tenants() == ["t1", "t2"]


@pytest.mark.parametrize("tenant", ["", "..", "a/b", "~drafts", "x" * 151])
def test_bad_tenants_are_refused(objects: ObjectStore, tenant: str) -> None:
    store = store_of(objects)
    with pytest.raises(InvalidTenant):
        store.snapshot(tenant)
    with pytest.raises(InvalidTenant):
        publish(store, ["a"], 1, tenant=tenant)
    assert objects.list("") == []


def test_asking_for_tenants_that_are_not_there_costs_no_memory(objects: ObjectStore) -> None:
    store = store_of(objects)
    for number in range(50):
        store.snapshot(f"t{number}")
    assert (store._logs, store._opened) == ({}, {})


def test_a_block_is_opened_once(objects: ObjectStore) -> None:
    store = store_of(objects)
    publish(store, ["a"], 1)
    (first,) = store.snapshot("t").blocks
    publish(store, ["b"], 2)
    assert store.snapshot("t").blocks[0] is first


def test_a_window_opens_only_what_may_be_in_it(objects: ObjectStore) -> None:
    store = store_of(objects)
    for number, name in enumerate(["10", "20", "30"], 1):
        publish(store, [name, name + "0"], number * 2)
    assert names_in(store, window=(0, 9)) == []
    assert names_in(store, window=(100, 200)) == ["10", "100", "20", "200", "30", "300"]
    assert names_in(store, window=(201, 299)) == ["30", "300"]
    assert names_in(store, window=(300, 999)) == ["30", "300"]


def test_records_without_spans_move_the_number_on(objects: ObjectStore) -> None:
    store = store_of(objects)
    assert store.publish("t", plain_sources([]), node="n", first_seq=1, last_seq=4, arrived_ns=(0, 0)) is None
    snapshot = store.snapshot("t")
    assert (dict(snapshot.flushed), snapshot.blocks) == ({"n": 4}, ())
    assert folders_of(objects) == []


def test_a_range_is_published_once(objects: ObjectStore) -> None:
    store = store_of(objects)
    publish(store, ["a", "b"], 1)
    for first in (1, 2):
        with pytest.raises(AlreadyFlushed):
            publish(store, ["b"], first)
    assert names_in(store) == ["a", "b"]
    assert len(folders_of(objects)) == 1


def test_of_two_that_publish_one_range_one_wins_and_the_other_leaves_nothing(objects: ObjectStore) -> None:
    """A data directory was copied and started twice."""
    stores = [store_of(objects) for _ in range(4)]
    start = threading.Barrier(4)

    def work(store: BlockStore) -> bool:
        start.wait()
        try:
            publish(store, ["a", "b"], 1)
        except AlreadyFlushed:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, stores)) == 1
    assert names_in(stores[0]) == ["a", "b"]
    assert len(folders_of(objects)) == 1


def test_many_nodes_publish_at_once(objects: ObjectStore) -> None:
    def work(node: str) -> None:
        store = store_of(objects)
        for number in range(1, 11):
            publish(store, [f"{node}{number}"], number, node=node)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, "pqrs"))
    snapshot = store_of(objects).snapshot("t")
    assert dict(snapshot.flushed) == dict.fromkeys("pqrs", 10)
    assert sorted(names_in(store_of(objects))) == sorted(f"{n}{i}" for n in "pqrs" for i in range(1, 11))


# Failures


def test_a_full_disk_at_any_step_lists_nothing_and_leaves_nothing(objects: ObjectStore) -> None:
    for failing in itertools.count(1):
        tenant = f"t{failing}"
        store = FailingStore(objects, failing)
        try:
            publish(store_of(store), ["a"], 1, tenant=tenant)
        except StoreUnavailable:
            assert names_in(store_of(objects), tenant) == []
            assert publish(store_of(objects), ["a"], 1, tenant=tenant) is not None
            assert names_in(store_of(objects), tenant) == ["a"]
            if failing <= 2:  # a file that could not be written; behind that the entry may yet come to be
                assert len(folders_of(objects, tenant)) == 1
        else:
            break
    assert failing == 5  # two files, their names, the entry


@pytest.mark.parametrize("raises", [False, True])
def test_an_answer_that_is_lost_doubles_nothing(objects: ObjectStore, raises: bool) -> None:
    store = store_of(ForgetfulStore(objects, raises=raises))
    if raises:
        with pytest.raises(StoreUnavailable):
            publish(store, ["a", "b"], 1)
        with pytest.raises(AlreadyFlushed):
            publish(store, ["a", "b"], 1)
    else:
        publish(store, ["a", "b"], 1)
    snapshot = store.snapshot("t")
    assert (names_in(store), dict(snapshot.flushed)) == (["a", "b"], {"n": 2})


def test_a_block_that_took_too_long_is_not_listed(objects: ObjectStore) -> None:
    """Its files may be swept as a leftover at any moment."""
    clock = Clock()

    class Slow(WrappedStore):
        def put(self, key: str, data: Data) -> None:
            super().put(key, data)
            clock.offset_ns += HOUR_NS

    with pytest.raises(PublishTooSlow):
        publish(store_of(Slow(objects), clock), ["a"], 1)
    assert names_in(store_of(objects)) == []


@pytest.mark.parametrize("damage", ["missing", "short", "changed", "description", "another"])
def test_a_damaged_block_is_set_aside_and_the_rest_answers(
    objects: ObjectStore, damage: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(objects)
    metas = [publish(store, [name], number) for number, name in enumerate("abc", 1)]
    bad, good = (meta.id for meta in metas[1:] if meta is not None)
    key = f"t/{bad}/{DESCRIPTION if damage in {'description', 'another'} else NAMES}"
    data = objects.get(key)
    replacement = {
        "short": data[:-1],
        "changed": data.replace(b"b", b"x"),
        "description": data[:-5],
        "another": objects.get(f"t/{good}/{DESCRIPTION}"),
    }
    if damage == "missing":
        objects.delete(key)
    else:
        objects.put(key, replacement[damage])
    with caplog.at_level(logging.WARNING):
        snapshot = store.snapshot("t")
    assert names_in(store) == ["a", "c"]
    assert list(snapshot.set_aside) == [bad]
    assert f"block {bad} of tenant t is set aside" in caplog.text
    caplog.clear()
    assert store.snapshot("t").set_aside == snapshot.set_aside
    assert caplog.text == ""  # told once, not with every query
    objects.put(key, data)
    monkeypatch.setattr("storage.block_store.time.monotonic", lambda: 1e9)
    assert names_in(store) == ["a", "b", "c"]


# Sweeping


def test_leftovers_of_a_crash_are_never_seen_and_go_after_a_day(objects: ObjectStore) -> None:
    clock = Clock()
    store = store_of(objects, clock)
    publish(store, ["a"], 1)
    (listed,) = folders_of(objects)
    leftover, foreign = str(uuid.uuid4()), str(uuid.uuid4())
    for name in (DESCRIPTION, NAMES):
        objects.put(f"t/{leftover}/{name}", objects.get(f"t/{listed}/{name}"))
    objects.put(f"t/{foreign}/meta.json", b"{}")
    assert names_in(store) == ["a"]
    assert store.sweep("t", removed_grace_ns=0) == []
    clock.offset_ns = UNLISTED_KEPT_NS - HOUR_NS
    assert store.sweep("t", removed_grace_ns=0) == []
    clock.offset_ns = UNLISTED_KEPT_NS + HOUR_NS
    assert store.sweep("t", removed_grace_ns=0) == [leftover]
    assert sorted(folders_of(objects)) == sorted([listed, foreign])
    assert names_in(store_of(objects)) == ["a"]


class Interrupted(BaseException):
    """The process was killed."""


class InterruptedStore(WrappedStore):
    """The process is killed at its nth put or delete."""

    def __init__(self, inner: ObjectStore, at: int) -> None:
        super().__init__(inner)
        self.left = at

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Interrupted

    def put(self, key: str, data: Data) -> None:
        self._count()
        super().put(key, data)

    def delete(self, key: str) -> None:
        self._count()
        super().delete(key)


def test_a_block_half_written_and_one_half_swept_are_swept(objects: ObjectStore) -> None:
    """Whatever part of its files there is, a folder can be told from one that is not ours."""
    with pytest.raises(Interrupted):
        publish(store_of(InterruptedStore(objects, 2)), ["a"], 1)
    assert len(folders_of(objects)) == 1
    meta = publish(store_of(objects), ["a"], 1)
    assert meta is not None
    CommitLog(objects, "t").commit(remove=[meta.id])
    clock = Clock()
    clock.offset_ns = UNLISTED_KEPT_NS + HOUR_NS
    for _ in range(2):  # three files, one deleted each time
        with pytest.raises(Interrupted):
            store_of(InterruptedStore(objects, 2), clock).sweep("t", removed_grace_ns=0)
    store_of(objects, clock).sweep("t", removed_grace_ns=0)
    assert folders_of(objects) == []


def test_removed_blocks_stay_for_readers_of_older_lists(objects: ObjectStore) -> None:
    clock = Clock()
    store = store_of(objects, clock)
    meta = publish(store, ["a"], 1)
    assert meta is not None
    assert names_in(store) == ["a"]
    CommitLog(objects, "t", clock=clock).commit(remove=[meta.id])
    assert names_in(store) == []
    assert store._opened["t"] == {}
    clock.offset_ns = HOUR_NS - 10**9
    assert store.sweep("t", removed_grace_ns=HOUR_NS) == []
    assert folders_of(objects) == [meta.id]
    clock.offset_ns = HOUR_NS + 10**9
    assert store.sweep("t", removed_grace_ns=HOUR_NS) == [meta.id]
    assert folders_of(objects) == []


def test_a_block_listed_while_the_sweep_looks_around_stays(objects: ObjectStore) -> None:
    """Folders are listed first and the log is read behind that; the other way round would delete this block."""
    clock = Clock()
    clock.offset_ns = 2 * UNLISTED_KEPT_NS
    block_id = str(uuid.uuid4())
    objects.put(f"t/{block_id}/{DESCRIPTION}", b"{}")

    class Late(WrappedStore):
        def folders(self, prefix: str) -> Sequence[str]:
            found = super().folders(prefix)
            CommitLog(objects, "t").commit(add=[{"id": block_id}])
            return found

    assert store_of(Late(objects), clock).sweep("t", removed_grace_ns=0) == []
    assert folders_of(objects) == [block_id]


def test_a_grace_that_the_log_does_not_remember_is_refused(objects: ObjectStore) -> None:
    with pytest.raises(ValueError, match="grace period"):
        store_of(objects).sweep("t", removed_grace_ns=48 * HOUR_NS)


# The real format


def spans(count: int) -> list[Chunk]:
    """Return sorted spans of as many traces."""
    bare = Span(
        trace_id=bytes(16),
        span_id=bytes([1] * 8),
        parent_span_id=None,
        start=0,
        end=5,
        name="GET /",
        kind=2,
        status=0,
        status_message="",
        trace_state="",
        flags=0,
        attributes=(("http.status_code", ("int", 200)),),
        dropped_attributes=0,
        dropped_events=0,
        dropped_links=0,
        events=(),
        links=(),
        resource=Resource((("service.name", ("str", "shop")),), 0, ""),
        scope=Scope("", "", (), 0, ""),
    )
    sent = [replace(bare, trace_id=bytes(15) + bytes([n]), start=n) for n in range(1, count + 1)]
    return [Chunk.seal(merge([tables_of(sent)]), id="c", tenant="t")]


def test_real_blocks_are_published_found_and_set_aside(objects: ObjectStore) -> None:
    store = BlockStore(objects)
    good = store.publish("t", spans(3), node="n", first_seq=1, last_seq=2, arrived_ns=(99, 99))
    bad = store.publish("t", spans(5), node="n", first_seq=3, last_seq=3, arrived_ns=(100, 100))
    assert good is not None
    assert bad is not None
    assert objects.get(f"t/{good.id}/{DESCRIPTION}") == good.encode()
    assert store.block_list("t").blocks[bad.id]["arrived_ns"] == 100
    first, second = BlockStore(objects).snapshot("t").blocks
    assert (first.meta.span_count, second.meta.span_count) == (3, 5)
    wanted = np.frombuffer(bytes(15) + bytes([4]), np.uint8).reshape(1, 16)
    assert (first.find(wanted), second.find(wanted)) == ([-1], [3])
    objects.put(f"t/{bad.id}/{DESCRIPTION}", good.encode())
    snapshot = BlockStore(objects).snapshot("t")
    assert [block.meta.id for block in snapshot.blocks] == [good.id]
    assert list(snapshot.set_aside) == [bad.id]


@pytest.mark.parametrize("cut", [True, False])
def test_a_file_cut_short_or_lost_is_found_when_a_local_block_is_opened(tmp_path: Path, cut: bool) -> None:
    store = BlockStore(LocalStore(tmp_path))
    meta = store.publish("t", spans(3), node="n", first_seq=1, last_seq=2, arrived_ns=(99, 99))
    assert meta is not None
    for name in meta.files:
        path = tmp_path / "t" / meta.id / name
        data = path.read_bytes()
        path.unlink()
        if cut:
            path.write_bytes(data[:-1])
        assert list(BlockStore(LocalStore(tmp_path)).snapshot("t").set_aside) == [meta.id]
        path.write_bytes(data)
    assert not BlockStore(LocalStore(tmp_path)).snapshot("t").set_aside


def test_a_listed_block_says_what_its_description_does(tmp_path: Path) -> None:
    """Opened by what the log says of it, a block reads its description when more is asked for."""
    store = BlockStore(LocalStore(tmp_path))
    meta = store.publish("t", spans(3), node="n", first_seq=1, last_seq=2, arrived_ns=(99, 99))
    assert meta is not None
    (block,) = BlockStore(LocalStore(tmp_path)).snapshot("t").blocks
    description = tmp_path / "t" / meta.id / DESCRIPTION
    data = description.read_bytes()
    description.unlink()
    known = ("id", "tenant", "span_count", "trace_count", "start_ns", "end_ns")
    assert [getattr(block.meta, name) for name in known] == [getattr(meta.source, name) for name in known]
    with pytest.raises(StorageError, match=r"block\.json"):
        len(block.meta.units)
    description.write_bytes(data)
    asked_for = ("units", "columns", "rest_keys")
    assert [getattr(block.meta, name) for name in asked_for] == [getattr(meta.source, name) for name in asked_for]
    assert block.take_traces([1]).spans.num_rows == 1
    assert pickle.loads(pickle.dumps(block)).meta.columns == meta.source.columns


def test_blocks_that_earlier_versions_listed_are_opened_and_checked(tmp_path: Path) -> None:
    objects = LocalStore(tmp_path)
    meta = BlockStore(objects).publish("t", spans(3), node="n", first_seq=1, last_seq=2, arrived_ns=(99, 99))
    assert meta is not None
    fields = BlockStore(objects).block_list("t").blocks[meta.id]
    old = {name: value for name, value in fields.items() if not name.startswith("description")}
    CommitLog(objects, "t").commit(remove=[meta.id])
    CommitLog(objects, "t").commit(add=[old])
    (block,) = BlockStore(objects).snapshot("t").blocks
    assert block.meta == meta.source
    (tmp_path / "t" / meta.id / DESCRIPTION).write_bytes(meta.encode()[:-9])
    assert list(BlockStore(objects).snapshot("t").set_aside) == [meta.id]


def test_a_block_a_network_away_is_opened_by_one_request() -> None:
    objects = CountingStore(open_store("memory://"))
    meta = BlockStore(objects).publish("t", spans(1), node="n", first_seq=1, last_seq=1, arrived_ns=(99, 99))
    objects.requests = 0
    (block,) = BlockStore(objects).snapshot("t").blocks
    assert meta is not None
    assert block.meta == meta.source
    assert objects.requests == 1


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_start_with_many_blocks_decodes_no_description(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = LocalStore(tmp_path)
    meta = BlockStore(objects).publish("t", spans(1), node="n", first_seq=1, last_seq=1, arrived_ns=(99, 99))
    assert meta is not None
    record = BlockStore(objects).block_list("t").blocks[meta.id]
    records = []
    for n in range(count - 1):
        copy = replace(meta, source=replace(meta.source, id=f"{n:08x}-{meta.id[:13]}"))
        shutil.copytree(tmp_path / "t" / meta.id, tmp_path / "t" / copy.id, copy_function=os.link)
        (tmp_path / "t" / copy.id / DESCRIPTION).unlink()
        (tmp_path / "t" / copy.id / DESCRIPTION).write_bytes(copy.encode())
        records.append({**record, "id": copy.id, **described_by(copy)})
    CommitLog(objects, "t").commit(add=records)
    monkeypatch.setattr(BlockMeta, "decode", None)
    snapshot = BlockStore(LocalStore(tmp_path)).snapshot("t")
    assert len(snapshot.blocks) == count
    assert not snapshot.set_aside
