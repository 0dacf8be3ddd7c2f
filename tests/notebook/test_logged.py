"""A store opened on a data directory shows what its server holds, live or in blocks, each span once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.commit_log import Erasing
from storage.merge import merge
from storage.objects import open_store as open_objects
from storage.wal import Wal
from tempo_dask import Store, open_store
from tempo_dask.demo.shop import generate
from tempo_dask.kernels import otlp
from tempo_dask.notebook.store import SINGLE_TENANT
from tests.notebook.conftest import END_NS, HOUR_NS

BODIES = list(generate(1_000, end_ns=END_NS, span_of_time_ns=HOUR_NS, seed=3, spans_per_batch=100))


def _publish(data: Path, first: int, last: int) -> None:
    chunk = Chunk.seal(merge([otlp.decode(BODIES[first - 1 : last])]), id=f"c{first}", tenant=SINGLE_TENANT)
    BlockStore(open_objects(str(data / "blocks"))).publish(
        SINGLE_TENANT, [chunk], node="n", first_seq=first, last_seq=last, arrived_ns=(END_NS, END_NS)
    )


def _spans(store: Store) -> list[str]:
    return sorted(store.spans(columns=["span_id"]).compute()["span_id"])


def test_live_spans_are_seen_once_before_and_after_they_are_blocks(tmp_path: Path) -> None:
    assert len(BODIES) > 2
    (tmp_path / "blocks").mkdir()
    with Wal(tmp_path / "wal", "n") as wal:
        wal.append([(SINGLE_TENANT, body) for body in BODIES])
        wal.append([("another", BODIES[0])])
        store = open_store(tmp_path)
        everything = sorted(span_id.hex() for span_id in otlp.decode(BODIES).spans.column("span_id").to_pylist())
        assert _spans(store) == everything
        assert f"{len(everything):,} spans in the log" in repr(store)
        newest = store.search(limit=1).iloc[0]
        assert len(store.trace(newest["trace_id"])) == newest["spans"]
        counted = int(store.metrics("{ } | count_over_time()").sum())
        assert counted == len(everything)

        _publish(tmp_path, 1, 2)
        assert _spans(store) == everything
        assert "1 block and" in repr(store)
        _publish(tmp_path, 3, len(BODIES))
        wal.release(len(BODIES) + 1)
        assert _spans(store) == everything
        assert "log" not in repr(store)
        assert int(store.metrics("{ } | count_over_time()").sum()) == counted


def test_erased_traces_are_not_seen_in_the_log_either(tmp_path: Path) -> None:
    with Wal(tmp_path / "wal", "n") as wal:
        wal.append([(SINGLE_TENANT, body) for body in BODIES])
    (tmp_path / "blocks").mkdir()
    store = open_store(tmp_path)
    newest = store.search(limit=2)
    gone = bytes.fromhex(newest["trace_id"][0].zfill(32))
    blocks = BlockStore(open_objects(str(tmp_path / "blocks")))
    _hide(blocks, gone)
    assert newest["trace_id"][0] not in open_store(tmp_path).search(limit=1)["trace_id"].tolist()
    assert store.search(limit=1)["trace_id"].tolist() == [newest["trace_id"][1]]


def _hide(blocks: BlockStore, trace_id: bytes) -> None:
    blocks.hidden_ids.store(SINGLE_TENANT, "e", np.frombuffer(trace_id, np.uint8).reshape(1, 16))
    blocks.commit_erasing(SINGLE_TENANT, Erasing(hide=[{"id": "e", "traces": 1, "grace_s": 1.0, "cleared": []}]))


def test_a_block_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    _publish(tmp_path, 1, 2)
    for name in (tmp_path / "blocks").rglob("spans.parquet"):
        name.write_bytes(b"no block")
    with pytest.warns(UserWarning, match="the answer lacks 1 block"):
        open_store(tmp_path).search()
