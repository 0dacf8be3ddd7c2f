"""The write path as a whole, over a real log on disk, through restarts and failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from storage.wal import Wal
from tempo_dask.ingest import background, merging
from tempo_dask.ingest.flush import FlushLimits
from tempo_dask.ingest.live import LiveLimits
from tempo_dask.ingest.pipeline import Pipeline
from tempo_dask.ingest.sources import Sources
from tempo_dask.kernels import otlp
from tests.ingest.numbered import FakeBlocks, body, numbers_in

NODE = "n"
Open = Callable[..., AbstractAsyncContextManager[Pipeline]]


@pytest.fixture
def blocks() -> FakeBlocks:
    return FakeBlocks()


@pytest.fixture
def open_pipeline(tmp_path: Path, blocks: FakeBlocks) -> Open:
    """Start the write path on the test's log and blocks, as a process would that starts there."""

    @asynccontextmanager
    async def opened(**limits: object) -> AsyncIterator[Pipeline]:
        with Wal(tmp_path, NODE) as wal:
            pipeline = Pipeline(
                wal, blocks, node=NODE, check=otlp.check, decode=otlp.decode, flush_period_s=0.02, **limits
            )
            flushed = {tenant: listed.flushed.get(NODE, 0) for tenant, listed in blocks.lists.items()}
            await asyncio.to_thread(pipeline.replay, flushed)
            pipeline.start()
            try:
                yield pipeline
            finally:
                await pipeline.close()
                await asyncio.to_thread(pipeline.stop)

    return opened


async def seen(pipeline: Pipeline, blocks: FakeBlocks, tenant: str = "t") -> list[int]:
    sources = Sources(blocks, pipeline.live, NODE)
    sources.open()
    return numbers_in(await sources.snapshot(tenant))


async def test_what_is_acknowledged_is_seen_at_once(open_pipeline: Open, blocks: FakeBlocks) -> None:
    async with open_pipeline() as pipeline:
        for n in range(10):
            assert await pipeline.push("t", body([n])) == 1
            assert await seen(pipeline, blocks) == list(range(n + 1))
        assert await seen(pipeline, blocks, "other") == []


async def test_a_restart_brings_back_what_no_block_holds(open_pipeline: Open, blocks: FakeBlocks) -> None:
    async with open_pipeline() as pipeline:
        await pipeline.push("t", body([0, 1]))
        await asyncio.to_thread(pipeline.flush)
        await pipeline.push("t", body([2]))
        await pipeline.push("u", body([100]))
    assert blocks.published == [("t", 1, 1)]
    async with open_pipeline() as pipeline:
        assert await seen(pipeline, blocks) == [0, 1, 2]
        assert await seen(pipeline, blocks, "u") == [100]
        await pipeline.push("t", body([3]))
        await asyncio.to_thread(pipeline.flush)
        assert await seen(pipeline, blocks) == [0, 1, 2, 3]
    async with open_pipeline() as pipeline:
        assert await seen(pipeline, blocks) == [0, 1, 2, 3]
        assert pipeline.live.usage() == [] or all(usage.spans == 0 for usage in pipeline.live.usage())


async def test_numbers_go_on_behind_what_is_flushed(open_pipeline: Open, blocks: FakeBlocks) -> None:
    for n in range(4):
        async with open_pipeline() as pipeline:
            await pipeline.push("t", body([n]))
            await asyncio.to_thread(pipeline.flush)
            assert await seen(pipeline, blocks) == list(range(n + 1))
    ranges = [(first, last) for _, first, last in blocks.published]
    assert ranges == sorted(ranges)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(ranges))


async def test_an_empty_store_publishes_nothing(open_pipeline: Open, blocks: FakeBlocks) -> None:
    async with open_pipeline() as pipeline:
        await asyncio.to_thread(pipeline.flush)
        await asyncio.to_thread(pipeline.flush, "t")
        assert await pipeline.push("t", b"") == 0
        await asyncio.to_thread(pipeline.flush)
    assert blocks.published == []


async def test_old_spans_become_a_block(open_pipeline: Open, blocks: FakeBlocks) -> None:
    async with open_pipeline(flush_limits=FlushLimits(max_block_duration_s=0.3)) as pipeline:
        await pipeline.push("t", body([0]))
        await until(lambda: blocks.published == [("t", 1, 1)])
        await pipeline.push("t", body([1]))
        assert await seen(pipeline, blocks) == [0, 1]


async def test_a_failed_flush_is_tried_again(
    open_pipeline: Open, blocks: FakeBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "FIRST_BACKOFF_S", 0.02)
    blocks.fail_before = 2
    async with open_pipeline(flush_limits=FlushLimits(max_block_duration_s=0.05)) as pipeline:
        await pipeline.push("t", body([0, 1]))
        await until(lambda: len(blocks.published) == 1)
        assert await seen(pipeline, blocks) == [0, 1]


async def test_one_tenant_that_cannot_be_flushed_holds_up_no_other(open_pipeline: Open, blocks: FakeBlocks) -> None:
    publish = blocks.publish
    blocks.publish = lambda tenant, *a, **k: 1 / 0 if tenant == "bad" else publish(tenant, *a, **k)
    async with open_pipeline(flush_limits=FlushLimits(max_block_duration_s=0.05)) as pipeline:
        await asyncio.gather(pipeline.push("bad", body([0])), pipeline.push("good", body([1])))
        await until(lambda: len(blocks.published) == 1)
        assert await seen(pipeline, blocks, "bad") == [0]
        assert await seen(pipeline, blocks, "good") == [1]


async def test_memory_is_bounded_by_early_flushes(open_pipeline: Open, blocks: FakeBlocks) -> None:
    """Live spans beyond the budget become blocks before their time, and pushes wait for that, but all get through."""
    async with open_pipeline(
        live_limits=LiveLimits(batch_spans=50, linger_s=0.01, live_bytes=400_000),
        flush_limits=FlushLimits(live_bytes=100_000, grace_s=0.01),
    ) as pipeline:
        pushed = [pipeline.push("t", body(range(n, n + 50))) for n in range(0, 2000, 50)]
        assert sum(await asyncio.gather(*pushed)) == 2000
        assert await seen(pipeline, blocks) == list(range(2000))
    assert len(blocks.published) > 1


async def test_queries_are_exact_while_everything_moves(
    open_pipeline: Open, blocks: FakeBlocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real threads push, decode, merge, flush and drop as fast as they can; each query sees each span once."""
    monkeypatch.setattr(merging, "FAN_IN", 2)
    sent: set[int] = set()
    acknowledged: set[int] = set()
    answered = asyncio.Semaphore(0)

    async def push(pipeline: Pipeline, first: int) -> None:
        for n in range(first, first + 300, 5):
            sent.update(range(n, n + 5))
            await pipeline.push("t", body(range(n, n + 5)))
            acknowledged.update(range(n, n + 5))
            if n == first + 150:
                await until(lambda: len(blocks.published) > 0)
            if n % 60 == 0:
                await answered.acquire()

    async def query(pipeline: Pipeline) -> None:
        while len(acknowledged) < 1200:
            before = set(acknowledged)
            found = await seen(pipeline, blocks)
            assert len(found) == len(set(found))
            assert before <= set(found) <= sent
            answered.release()

    async with open_pipeline(
        live_limits=LiveLimits(batch_spans=20, linger_s=0.01),
        flush_limits=FlushLimits(max_block_duration_s=0.1, grace_s=0.0),
    ) as pipeline:
        pushers = (push(pipeline, n * 300) for n in range(4))
        await asyncio.gather(*pushers, query(pipeline))
        assert await seen(pipeline, blocks) == list(range(1200))
    assert len(blocks.published) > 1


async def test_a_record_that_cannot_be_decoded_hides_no_other(tmp_path: Path, blocks: FakeBlocks) -> None:
    bad = body([1])

    def decode(bodies):
        if bad in bodies:
            raise ZeroDivisionError
        return otlp.decode(bodies)

    with Wal(tmp_path, NODE) as wal:
        pipeline = Pipeline(wal, blocks, node=NODE, check=otlp.check, decode=decode)
        pipeline.replay({})
        pipeline.start()
        await asyncio.gather(*(pipeline.push("t", body([n])) for n in range(3)))
        assert await seen(pipeline, blocks) == [0, 2]
        await pipeline.close()
        await asyncio.to_thread(pipeline.stop)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(300):
        while not condition():
            await asyncio.sleep(0.01)
