"""Erased traces are gone: from every answer at once, from every file in the end; the others stay."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from storage.block_format import ParquetFormat
from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.commit_log import CommitConflict
from storage.errors import DamagedBlock
from storage.local_objects import LocalStore
from storage.merge import merge
from tempo_dask.kernels.otlp import decode
from tempo_dask.maintenance.erase import EraseFailed, erase_traces, find_traces, hide_traces
from tests.ingest.numbered import body, numbers_in


def store_of(folder: Path) -> BlockStore:
    return BlockStore(LocalStore(folder), block_format=ParquetFormat(6))


def publish(store: BlockStore, numbers: Sequence[int], seq: int) -> str:
    chunk = Chunk.seal(merge([decode([body(numbers)])]), id=f"c{seq}", tenant="t")
    meta = store.publish("t", [chunk], node="n", first_seq=seq, last_seq=seq, arrived_ns=(seq, seq))
    assert meta is not None
    return meta.id


def trace_of(number: int) -> bytes:
    return (number // 3 + 1).to_bytes(16, "big")


def test_traces_leave_every_block_and_every_file(tmp_path: Path) -> None:
    store = store_of(tmp_path)
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
    assert erase_traces(store, "t", wanted, grace_s=0, progress=said.append, sleep=lambda _s: None) == [
        ids[0],
        ids[1],
        ids[3],
    ]
    assert said[-1] == "gone"
    for each in (store, store_of(tmp_path)):
        assert numbers_in(each.snapshot("t").blocks) == [0, 1, 2, *range(6, 20), 40]
        assert find_traces(each, "t", wanted).blocks == {}
    folders = {path.name for path in (tmp_path / "t").iterdir()} - {"log", "checkpoints"}
    assert folders == set(store.block_list("t").blocks)
    kept = store.block_list("t").blocks.values()
    assert sorted(record["arrived_ns"] for record in kept) == [1, 3]
    assert before[ids[2]] in kept
    assert store.snapshot("t").flushed == {"n": 4}


def test_nothing_to_erase(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    publish(store, range(5), 1)
    assert erase_traces(store, "t", [trace_of(99)], grace_s=1e9, sleep=lambda _s: None) == []
    assert store.block_list("t").number == 1


def test_readers_keep_their_files_for_the_grace_period(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    publish(store, range(5), 1)
    reader = store_of(tmp_path).snapshot("t")
    with pytest.raises(EraseFailed, match="still there"):
        erase_traces(store, "t", [trace_of(0)], grace_s=3600, sleep=lambda _s: None)
    assert numbers_in(reader.blocks) == list(range(5))
    assert numbers_in(store.snapshot("t").blocks) == [3, 4]


def test_a_compaction_that_is_faster_makes_it_look_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = store_of(tmp_path), store_of(tmp_path)
    ids = [publish(store, [0, 6], 1), publish(store, [1, 7], 2)]
    write = BlockStore._without

    def compact_first(self: BlockStore, *args: object) -> object:
        monkeypatch.setattr(BlockStore, "_without", write)
        other.replace("t", ids)
        return write(self, *args)

    monkeypatch.setattr(BlockStore, "_without", compact_first)
    [compacted] = hide_traces(store, "t", [trace_of(0)])
    assert compacted not in ids
    assert numbers_in(other.snapshot("t").blocks) == [6, 7]


def test_of_an_erasure_and_compactions_none_brings_traces_back(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    ids = [publish(store, [n, n + 30], n // 3 + 1) for n in range(0, 12, 3)]
    start = threading.Barrier(3)

    def compact(inputs: list[str]) -> None:
        start.wait()
        try:
            store_of(tmp_path).replace("t", inputs)
        except CommitConflict:
            return

    threads = [threading.Thread(target=compact, args=(inputs,)) for inputs in (ids[:2], ids[2:])]
    for thread in threads:
        thread.start()
    start.wait()
    hide_traces(store, "t", [trace_of(0), trace_of(9)])
    for thread in threads:
        thread.join()
    assert numbers_in(store_of(tmp_path).snapshot("t").blocks) == [3, 6, 30, 33, 36, 39]


def test_a_block_that_cannot_be_searched_is_told(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    block_id = publish(store, range(5), 1)
    (tmp_path / "t" / block_id / "trace_ids.npy").unlink()
    with pytest.raises(DamagedBlock, match=block_id):
        hide_traces(store_of(tmp_path), "t", [trace_of(0)])
    with pytest.raises(ValueError, match="16 bytes"):
        hide_traces(store, "t", [b"short"])
