"""When records are decoded, and when chunks become blocks."""

from __future__ import annotations

import pytest

from storage.chunk import Chunk
from storage.merge import merge
from tempo_dask.ingest.flush import FlushLimits, due_tenants
from tempo_dask.ingest.live import EMPTY_CHUNK_BYTES, Batch, LiveLimits, LiveStore, TenantUsage
from tempo_dask.ingest.live_tenant import BlockListTooOld
from tempo_dask.ingest.records import Record
from tempo_dask.kernels import otlp
from tests.ingest.numbered import body


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(clock: Clock) -> LiveStore:
    return LiveStore(LiveLimits(batch_spans=10, linger_s=1, waiting_bytes=2000, live_bytes=100_000), clock)


def record(seq: int, spans: int, tenant: str = "t") -> Record:
    return Record(seq, tenant, body(range(seq * 1000, seq * 1000 + spans)), spans, seq)


def seqs(batch: Batch | None) -> list[int]:
    return [] if batch is None else [record.seq for record in batch.records]


def chunk_of(batch: Batch) -> Chunk:
    tables = merge([otlp.decode([record.body for record in batch.records])])
    first, last = batch.records[0].seq, batch.records[-1].seq
    return Chunk.seal(tables, id=f"{first}-{last}", tenant=batch.tenant, first_seq=first, last_seq=last)


def test_a_few_spans_linger(live: LiveStore, clock: Clock) -> None:
    live.accept([record(1, 3)])
    assert live.take(0) is None
    clock.now_s += 1
    assert seqs(live.take(0)) == [1]


def test_a_full_batch_is_due_at_once_and_the_rest_lingers(live: LiveStore, clock: Clock) -> None:
    live.accept([record(seq, 4) for seq in range(1, 6)])
    assert seqs(live.take(0)) == [1, 2, 3]
    assert live.take(0) is None
    clock.now_s += 1
    assert seqs(live.take(0)) == [4, 5]


def test_a_query_makes_its_tenant_due_before_all_others(live: LiveStore) -> None:
    live.accept([record(1, 50, "busy"), record(2, 1, "asked"), record(3, 1, "idle")])
    future = live.caught_up("asked")
    assert live.caught_up("unknown").done()
    batch = live.take(0)
    assert batch is not None
    assert (batch.tenant, seqs(batch)) == ("asked", [2])
    assert not future.done()
    live.add(batch, chunk_of(batch))
    assert future.done()
    assert live.caught_up("asked").done()
    busy = live.take(0)
    assert busy is not None
    assert busy.tenant == "busy"
    assert live.take(0) is None


def test_a_query_does_not_wait_for_what_comes_after_it(live: LiveStore) -> None:
    live.accept([record(1, 20)])
    future = live.caught_up("t")
    live.accept([record(2, 20)])
    batch = live.take(0)
    assert seqs(batch) == [1]
    assert batch is not None
    live.add(batch, None)
    assert future.done()


def test_room_ends_with_undecoded_bytes_and_comes_back(live: LiveStore) -> None:
    assert live.wait_for_room(0)
    live.accept([record(1, 40)])
    assert not live.wait_for_room(0)
    batch = live.take(0)
    assert batch is not None
    assert not live.wait_for_room(0)
    live.add(batch, chunk_of(batch))
    assert live.wait_for_room(0)


def test_chunks_count_until_they_are_dropped(clock: Clock) -> None:
    live = LiveStore(LiveLimits(batch_spans=10, live_bytes=1000), clock)
    live.accept([record(1, 10)])
    batch = live.take(0)
    assert batch is not None
    chunk = chunk_of(batch)
    live.add(batch, chunk)
    assert not live.wait_for_room(0)
    live.close("t")
    live.retire("t", 1)
    assert live.drop_retired(5) == 0
    assert not live.wait_for_room(0)
    assert live.releasable() == 1
    assert [chunk.last_seq for chunk in live.after("t", 0)] == [1]
    clock.now_s += 6
    assert live.drop_retired(5) == chunk.nbytes + EMPTY_CHUNK_BYTES
    assert live.wait_for_room(0)
    with pytest.raises(BlockListTooOld):
        live.after("t", 0)
    assert live.after("t", 1) == ()


def test_many_small_chunks_fill_the_room(live: LiveStore, clock: Clock) -> None:
    """Of many tenants with a span each the tables weigh more than the spans."""
    sizes = []
    while live.wait_for_room(0):
        seq = len(sizes) + 1
        live.accept([record(seq, 1, f"t{seq}")])
        clock.now_s += 1
        batch = live.take(0)
        assert batch is not None
        chunk = chunk_of(batch)
        live.add(batch, chunk)
        sizes.append(chunk.nbytes)
    assert sum(sizes) + len(sizes) * EMPTY_CHUNK_BYTES >= live.limits.live_bytes > sum(sizes) * 5


def test_records_come_in_order(live: LiveStore) -> None:
    live.accept([record(5, 1)])
    with pytest.raises(ValueError, match="record 5 of t comes after record 5"):
        live.accept([record(5, 1)])


def usage(tenant: str, chunk_bytes: int, age_s: float = 0) -> TenantUsage:
    return TenantUsage(tenant, chunk_bytes, traces=1, spans=1, age_s=age_s)


@pytest.mark.parametrize(
    ("usages", "due"),
    [
        ([usage("a", 10), usage("b", 20)], []),
        ([usage("a", 10, age_s=100), usage("b", 20, age_s=99)], ["a"]),
        ([usage("a", 0, age_s=1000)], []),
        ([usage("a", 500), usage("b", 499)], ["a"]),
        ([usage("a", 300), usage("b", 400), usage("c", 350)], ["b"]),
        ([usage("a", 450), usage("b", 460), usage("c", 470), usage("d", 1)], ["b", "c"]),
        ([usage("old", 400, age_s=100), usage("b", 400), usage("c", 400)], ["old"]),
    ],
)
def test_who_is_flushed(usages: list[TenantUsage], due: list[str]) -> None:
    limits = FlushLimits(max_block_duration_s=100, max_block_bytes=500, live_bytes=900)
    assert due_tenants(usages, limits) == due
