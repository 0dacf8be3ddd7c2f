"""A tenant's first spans wait until erasures know of this node; a store that cannot be reached holds nobody up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from storage.object_store import StoreUnavailable
from tempo_dask.ingest import joining
from tempo_dask.ingest.joining import Joining
from tempo_dask.kernels import otlp
from tests.ingest.numbered import body


class Told:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.go_on = threading.Event()
        self.error: Exception | None = None

    async def commit(self, tenant: str, data: bytes) -> int:
        self.told.append(f"spans of {tenant}")
        return otlp.check([data])[0].spans

    def join(self, tenant: str) -> None:
        assert self.go_on.wait(60)
        self.told.append(f"known to {tenant}")
        if self.error is not None:
            raise self.error


async def test_first_spans_wait_and_later_ones_do_not() -> None:
    told = Told()
    push = Joining(told.commit, otlp.check, told.join).push
    pushes = [asyncio.create_task(push(tenant, body([n]))) for n, tenant in enumerate("aab")]
    await asyncio.sleep(0.05)
    assert told.told == []
    told.go_on.set()
    assert await asyncio.gather(*pushes) == [1, 1, 1]
    for tenant, count in (("a", 2), ("b", 1)):
        own = [what for what in told.told if what.endswith(tenant)]
        assert own == [f"known to {tenant}", *[f"spans of {tenant}"] * count]
    assert await push("a", body([3])) == 1
    assert told.told.count("known to a") == 1


async def test_who_sends_nothing_makes_no_tenant() -> None:
    told = Told()
    assert await Joining(told.commit, otlp.check, told.join).push("a", b"") == 0
    assert told.told == ["spans of a"]


@pytest.mark.parametrize("is_slow", [True, False])
async def test_spans_are_taken_while_blocks_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, is_slow: bool) -> None:
    told = Told()
    told.error = StoreUnavailable("no route")
    monkeypatch.setattr(joining, "_WAIT_S", 0.01 if is_slow else 60.0)
    if not is_slow:
        told.go_on.set()
    try:
        assert await Joining(told.commit, otlp.check, told.join).push("a", body([1])) == 1
    finally:
        told.go_on.set()
