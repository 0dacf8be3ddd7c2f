"""The bounds of queries: turns, a full queue, memory, deadlines, leaving clients, and blocks that cannot be read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from storage.chunk import Chunk
from storage.columns import Column, ScanSource, TableName
from storage.errors import DamagedBlock
from tempo_dask.engine.admission import Admission, MemoryBudget
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.query import Bounds
from tempo_dask.engine.requests import SearchRequest, TagValuesRequest, Window
from tempo_dask.errors import DeadlineExceeded, TooManyRequests
from tests.engine.recorded import TENANT, Fixed, chunk_of, records
from traceql import parse_attribute

SEARCH = SearchRequest(TENANT, "{ status = error }", Window(0, 2**62), limit=1000)


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    found = LocalExecutor(2)
    yield found
    found.close()


@pytest.fixture(scope="module")
def bodies(shared: Path) -> list[bytes]:
    return records(shared / "conformance" / "traces.rec.gz")[:60]


@dataclass(frozen=True)
class Watched(Chunk):
    """A chunk that tells of each read before it happens."""

    on_read: Callable[[str], None] = print

    def read(self, table: TableName, name: str, unit: int) -> Column | None:
        self.on_read(name)
        return super().read(table, name, unit)


def watched(chunk: Chunk, on_read: Callable[[str], None]) -> Watched:
    fields = {name: getattr(chunk, name) for name in Chunk.__dataclass_fields__}
    return Watched(**fields, on_read=on_read)


def damage(_name: str) -> None:
    msg = "spans.parquet is cut short"
    raise DamagedBlock(msg)


def test_tenants_have_their_turns() -> None:
    async def run() -> list[str]:
        admission, order = Admission(running=1), list[str]()

        async def ask(tenant: str) -> None:
            async with admission.slot(tenant):
                order.append(tenant)
                await asyncio.sleep(0)

        async with admission.slot("first"):
            asked = [asyncio.ensure_future(ask(tenant)) for tenant in ["a", "a", "a", "b", "c"]]
            await asyncio.sleep(0)
        await asyncio.gather(*asked)
        return order

    assert asyncio.run(run()) == ["a", "b", "c", "a", "a"]


def test_a_full_queue_refuses_its_tenant_alone() -> None:
    async def run() -> None:
        admission = Admission(running=1, waiting=1)
        async with admission.slot("a"):
            waits = asyncio.ensure_future(admission.slot("a").__aenter__())
            await asyncio.sleep(0)
            with pytest.raises(TooManyRequests, match=r"^job queue full$"):
                await admission.slot("a").__aenter__()
            other = asyncio.ensure_future(admission.slot("b").__aenter__())
            await asyncio.sleep(0)
            assert not waits.done()
            assert not other.done()
            waits.cancel()
        await other

    asyncio.run(run())


def test_places_of_those_who_leave_are_given_on() -> None:
    async def run() -> None:
        admission = Admission(running=1)
        for let_in in (False, True):
            async with admission.slot("a"):
                leaves = asyncio.ensure_future(admission.slot("a").__aenter__())
                await asyncio.sleep(0)
                if not let_in:
                    leaves.cancel()
            leaves.cancel()  # the place was its own by now, but it never saw it
            await asyncio.gather(leaves, return_exceptions=True)
        async with asyncio.timeout(1), admission.slot("b"):
            pass

    asyncio.run(run())


def test_memory_is_given_out_in_order_and_given_back() -> None:
    async def run() -> list[int]:
        budget, order = MemoryBudget(100), list[int]()

        async def take(size_bytes: int) -> None:
            async with budget.reserve(size_bytes):
                order.append(size_bytes)
                await asyncio.sleep(0)

        await asyncio.gather(*(take(size_bytes) for size_bytes in (60, 70, 10, 500, 20)))
        return order

    assert asyncio.run(run()) == [60, 70, 10, 500, 20]


def test_a_query_ends_at_its_deadline(executor: LocalExecutor, bodies: list[bytes]) -> None:
    going_on = threading.Event()

    def wait(_name: str) -> None:
        going_on.wait(10)

    source = watched(chunk_of(bodies), wait)
    engine = Engine(Fixed(source), executor, Bounds(deadline_s=0.05))
    with pytest.raises(DeadlineExceeded, match=r"^context deadline exceeded$"):
        asyncio.run(engine.search(SEARCH))
    going_on.set()


def test_a_store_that_takes_too_long_is_no_deadline(executor: LocalExecutor, bodies: list[bytes]) -> None:
    def time_out(_name: str) -> None:
        msg = "the store does not answer"
        raise TimeoutError(msg)

    with pytest.raises(TimeoutError, match=r"^the store does not answer$"):
        asyncio.run(Engine(Fixed(watched(chunk_of(bodies), time_out)), executor).search(SEARCH))


def test_a_full_engine_lets_a_query_wait_until_its_deadline(executor: LocalExecutor, bodies: list[bytes]) -> None:
    async def run() -> None:
        bounds = Bounds(Admission(running=1), deadline_s=0.05)
        async with bounds.admission.slot("another"):
            with pytest.raises(DeadlineExceeded):
                await Engine(Fixed(chunk_of(bodies)), executor, bounds).search(SEARCH)
        await Engine(Fixed(chunk_of(bodies)), executor, replace(bounds, deadline_s=10)).search(SEARCH)

    asyncio.run(run())


def test_a_cancelled_query_stops_between_two_columns(executor: LocalExecutor, bodies: list[bytes]) -> None:
    read: list[str] = []
    began, going_on = threading.Event(), threading.Event()

    def wait(name: str) -> None:
        read.append(name)
        began.set()
        going_on.wait(10)

    async def run() -> None:
        engine = Engine(Fixed(watched(chunk_of(bodies), wait)), executor)
        asked = asyncio.ensure_future(engine.search(SEARCH))
        await asyncio.to_thread(began.wait, 10)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        going_on.set()
        assert (await Engine(Fixed(chunk_of(bodies)), executor).search(SEARCH)).traces  # the threads are free again

    asyncio.run(run())
    assert len(read) == 1


def test_a_damaged_block_makes_the_answer_partial(executor: LocalExecutor, bodies: list[bytes]) -> None:
    good, bad = chunk_of(bodies[:30], "good"), watched(chunk_of(bodies[30:], "bad"), damage)
    found = asyncio.run(Engine(Fixed(good, bad), executor).search(SEARCH))
    whole = asyncio.run(Engine(Fixed(good), executor).search(SEARCH))
    assert found.traces == whole.traces
    assert found.metrics.partial == "spans.parquet is cut short"
    assert (found.metrics.completed_jobs, found.metrics.total_jobs) == (1, 2)
    assert (whole.metrics.partial, whole.metrics.completed_jobs, whole.metrics.total_jobs) == ("", 1, 1)


def test_a_block_that_cannot_be_opened_makes_every_answer_partial(executor: LocalExecutor, bodies: list[bytes]) -> None:
    class WithoutOne(Fixed):
        def set_aside(self, _tenant: str) -> dict[str, str]:
            return {"block b1": "no description"}

    engine = Engine(WithoutOne(chunk_of(bodies)), executor)
    found = asyncio.run(engine.search(SEARCH))
    values = asyncio.run(engine.tag_values(TagValuesRequest(TENANT, parse_attribute("name"), SEARCH.window)))
    assert found.metrics.partial == values.metrics.partial == "block b1 cannot be read: no description"
    assert found.metrics.completed_jobs < found.metrics.total_jobs


def test_bytes_are_those_of_the_columns_looked_at(executor: LocalExecutor, bodies: list[bytes]) -> None:
    def cost(*sources: ScanSource, query: str) -> int:
        asked = replace(SEARCH, query=query)
        return asyncio.run(Engine(Fixed(*sources), executor).search(asked)).metrics.inspected_bytes

    source = chunk_of(bodies)
    assert cost(source, query="{ span.absent = 1 }") == 0
    assert 0 < cost(source, query="{ duration < 0 }") < cost(source, query="{ duration >= 0 && name =~ `.*` }")
