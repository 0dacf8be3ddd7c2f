"""A tenant's first spans wait until erasures know of this node; a store that cannot be reached holds nobody up."""

from __future__ import annotations

import asyncio
import threading
from unittest.mock import Mock

import pytest

from storage.block_list import BlockList
from storage.commit_log import Erasing
from storage.object_store import StoreUnavailable
from tempo_dask.ingest import joining
from tempo_dask.ingest.erasing import MOST_TENANTS, NodeErasure
from tempo_dask.ingest.joining import Joining
from tempo_dask.ingest.live import TenantUsage
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


class Held:
    """A live store and a store of blocks, with many tenants in each."""

    def __init__(self, tenants: int = 100) -> None:
        self.tenants = tenants
        self.looks = 0
        self.known_tenants = [f"t{number}" for number in range(60)].copy
        self.committed: list[str] = []

    def usage(self) -> list[TenantUsage]:
        self.looks += 1
        return [TenantUsage(f"t{number}", 1, 1, spans=number % 2, age_s=0) for number in range(self.tenants)]

    def block_list(self, _tenant: str) -> BlockList:
        return BlockList()

    def commit_erasing(self, tenant: str, _erasing: Erasing) -> None:
        self.committed.append(tenant)


def test_many_tenants_are_looked_at_once_together() -> None:
    """A look at what is live takes as long as there are tenants: one for each of them would be a second's work."""
    held = Held()
    nothing = Mock()
    NodeErasure(held, held, nothing, node="n", flush=nothing, forget=nothing).step()  # type: ignore[arg-type]
    assert held.looks == 1
    assert sorted(held.committed) == sorted(f"t{number}" for number in range(1, 100, 2))


def test_very_many_tenants_take_turns() -> None:
    """A step reads the lists of a bounded number of tenants, and the next one goes on where it ended."""
    held, nothing = Held(250), Mock()
    erasure = NodeErasure(held, held, nothing, node="n", flush=nothing, forget=nothing)  # type: ignore[arg-type]
    for step in range(1, 4):
        erasure.step()
        assert len(held.committed) <= step * MOST_TENANTS
    assert set(held.committed) == {f"t{number}" for number in range(1, 250, 2)}
