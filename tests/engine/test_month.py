"""A month of blocks is answered in memory for a few of them: cached columns, decoded units and results are bounded."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from storage.block_store import BlockStore
from storage.columns import ScanSource
from storage.objects import open_store
from tempo_dask.demo.shop import generate
from tempo_dask.engine.admission import MemoryBudget
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.query import Bounds
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.engine.results import RangeResult
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE
from tests.engine.recorded import TENANT, Fixed, chunk_of

DAYS, DAY_NS = 15, 2 * 86_400 * 10**9  # blocks of two days each
END_NS = 1_767_225_600 * 10**9
SPANS = 200  # a block
CACHE_BYTES = 32 << 10
QUERY = "{ } | quantile_over_time(duration, .5, .9) by (resource.service.name)"


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Sequence[ScanSource]:
    """Return the blocks."""
    store = BlockStore(open_store(str(tmp_path_factory.mktemp("month"))))
    bodies = list(generate(DAYS * SPANS, end_ns=END_NS, span_of_time_ns=DAYS * DAY_NS, spans_per_batch=SPANS // 4))
    for day, first in enumerate(range(0, len(bodies), -(-len(bodies) // DAYS))):
        chunk = chunk_of(bodies[first : first + -(-len(bodies) // DAYS)], f"day-{day}")
        store.publish(TENANT, [chunk], node="node", first_seq=day + 1, last_seq=day + 1, arrived_ns=(0, 0))
    return store.snapshot(TENANT).blocks


@pytest.fixture(autouse=True)
def small_cache() -> Iterator[None]:
    PROCESS_CACHE.resize(CACHE_BYTES)
    yield
    PROCESS_CACHE.resize(DEFAULT_BYTES)


class WatchedBudget(MemoryBudget):
    """Remembers how much was asked for at most."""

    most_bytes = 0

    def reserve(self, size_bytes: int):  # type: ignore[no-untyped-def]  # as the one it stands for
        """Hold so many bytes while the body runs."""
        self.most_bytes = max(self.most_bytes, size_bytes)
        return super().reserve(size_bytes)


async def streamed(blocks: Sequence[ScanSource], memory: MemoryBudget) -> list[RangeResult]:
    executor = LocalExecutor(2)
    engine = Engine(Fixed(*blocks), executor, Bounds(memory=memory, units_in_flight=2))
    request = RangeRequest(TENANT, QUERY, END_NS - DAYS * DAY_NS, END_NS, DAY_NS, exemplars=0)
    found = []
    try:
        async for result in engine.stream_range(request):
            assert PROCESS_CACHE.columns.used_bytes <= CACHE_BYTES
            found.append(result)
    finally:
        executor.close()
    return found


def first_step(part: RangeResult) -> int:
    """Return the first step of which a sample is known."""
    return min(int(np.flatnonzero(~np.isnan(one.values))[0]) for one in part.series)


def test_a_month_streams_newest_first_within_its_budgets(blocks: Sequence[ScanSource]) -> None:
    memory = WatchedBudget()
    found = asyncio.run(streamed(blocks, memory))
    assert len(found) >= 3
    known = [first_step(part) for part in found]
    assert known == sorted(known, reverse=True)
    assert known[0] > known[-1]
    assert found[-1].metrics.inspected_spans >= DAYS * SPANS
    assert 0 < memory.most_bytes < DAYS * SPANS * 128  # never the whole month


@pytest.mark.slow  # counts what all threads of the process hold
def test_memory_does_not_grow_with_the_number_of_blocks(blocks: Sequence[ScanSource]) -> None:
    def peak(some: Sequence[ScanSource]) -> int:
        tracemalloc.start()
        asyncio.run(streamed(some, MemoryBudget()))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    asyncio.run(streamed(blocks, MemoryBudget()))  # what is opened once stays open
    assert peak(blocks) < 2 * peak(blocks[: DAYS // 5])
