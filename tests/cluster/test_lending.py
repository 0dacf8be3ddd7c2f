"""Live spans that a node lends: kept for who was told of them, by tenant, and not for ever."""

from __future__ import annotations

import asyncio

import pytest

from storage.chunk import Chunk
from storage.merge import merge
from tempo_dask.cluster.lending import KEPT_S, ChunkGone, Lender, Lent
from tempo_dask.ingest.live import Batch, LiveStore
from tempo_dask.ingest.live_tenant import BlockListTooOld
from tempo_dask.ingest.records import Record
from tempo_dask.kernels.otlp import decode
from tests.ingest.numbered import body

TENANT = "lent"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def live_with(*chunk_ids: str) -> LiveStore:
    """Return a live store with one record in each chunk."""
    live = LiveStore()
    for seq, chunk_id in enumerate(chunk_ids, 1):
        record = Record(seq, TENANT, body(range(seq)), seq, 0)
        live.accept([record])
        tables = merge([decode([record.body])])
        taken = live.take(0.5)
        assert taken is not None
        chunk = Chunk.seal(tables, id=chunk_id, tenant=TENANT, first_seq=seq, last_seq=seq)
        live.add(Batch(TENANT, taken.records), chunk)
    return live


def lent(lender: Lender, after_seq: int = 0, known: frozenset[str] = frozenset(), tenant: str = TENANT) -> list[str]:
    """Return what is told: the ids of chunks that are known, `+id` of those that are new."""
    found = asyncio.run(lender.lend(tenant, after_seq, known))
    return [f"+{one.meta.id}" if isinstance(one, Lent) else one for one in found]


def test_what_is_known_is_not_told_again() -> None:
    lender = Lender(live_with("a", "b"))
    assert lent(lender) == ["+a", "+b"]
    assert lent(lender, known=frozenset({"a"})) == ["a", "+b"]
    assert lent(lender, after_seq=1) == ["+b"]


def test_chunks_are_held_for_who_was_told_and_not_for_ever() -> None:
    clock = Clock()
    live = live_with("a")
    lender = Lender(live, clock)
    assert lent(lender) == ["+a"]
    live.retire(TENANT, 1)
    live.drop_retired(0)
    assert lender.held(TENANT, "a").id == "a"
    clock.now = KEPT_S + 1
    lender.drop_old()
    with pytest.raises(ChunkGone, match="became part of a block"):
        lender.held(TENANT, "a")


def test_an_old_block_list_is_refused() -> None:
    live = live_with("a", "b")
    live.retire(TENANT, 1)
    live.drop_retired(0)
    with pytest.raises(BlockListTooOld):
        lent(Lender(live))


def test_tenants_stay_apart() -> None:
    lender = Lender(live_with("a"))
    assert lent(lender) == ["+a"]
    assert lent(lender, tenant="other") == []
    with pytest.raises(ChunkGone):
        lender.held("other", "a")
