"""Queries on real workers: the answers of one process, whatever happens to workers and scheduler meanwhile."""

from __future__ import annotations

import asyncio
import io
import random
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from storage.block_format import ParquetFormat
from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.merge import merge
from storage.objects import open_store
from tempo_dask.cluster.opening import Cluster, open_cluster
from tempo_dask.demo.shop import generate
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.executors import Executor
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import RangeRequest, SearchRequest, TagNamesRequest, TraceRequest, Window
from tempo_dask.errors import QueryFailed
from tempo_dask.kernels import otlp
from tempo_dask.maintenance.compaction import CompactGroup
from tempo_dask.notebook import progress
from tests.cluster.processes import DaskProcesses, end, until
from tests.cluster.slow_work import counted, slow_count
from tests.engine.recorded import TENANT, Fixed, chunk_of
from tests.ingest.numbered import body as numbered

END_NS = 1_767_225_600 * 10**9
MINUTE_NS = 60 * 10**9
WINDOW = Window(END_NS - 60 * MINUTE_NS, END_NS)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScanSource, ...]:
    """Three blocks of several units and a live chunk; traces cross from one to the next."""
    blocks = BlockStore(open_store(str(tmp_path_factory.mktemp("blocks"))), block_format=ParquetFormat(unit_spans=700))
    bodies = list(generate(1_500, end_ns=END_NS, span_of_time_ns=60 * MINUTE_NS, seed=3))
    chunks = [
        Chunk.seal(merge([otlp.decode(bodies[place::4])]), id=f"cluster-{place}", tenant=TENANT) for place in range(4)
    ]
    for place, chunk in enumerate(chunks[:3]):
        blocks.publish(TENANT, [chunk], node=f"node-{place}", first_seq=1, last_seq=1, arrived_ns=(END_NS, END_NS))
    return (*blocks.snapshot(TENANT).blocks, chunks[3])


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    with DaskProcesses(tmp_path_factory.mktemp("dask")) as running:
        running.start_worker("--preload", "tempo_dask.worker")
        running.start_worker()
        yield running


@pytest.fixture(scope="module")
def cluster(processes: DaskProcesses) -> Iterator[Cluster]:
    found = open_cluster(processes.address, 1)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def both_work(cluster: Cluster) -> Cluster:
    until(lambda: len(cluster.members.scanners) >= 2, "two workers join")
    return cluster


async def answers(engine: Engine) -> list[Any]:
    """Ask a bit of everything; what it cost is left out."""
    shop = SearchRequest(TENANT, '{ resource.service.name = "payment" && duration > 1ms }', WINDOW, limit=30)
    wide = SearchRequest(TENANT, "{ status = error } >> { }", WINDOW, limit=10_000, spans_per_set=10_000)
    rate = "{ kind = server } | rate() by (resource.service.name)"
    ranges = [
        await engine.query_range(RangeRequest(TENANT, query, WINDOW.start_ns, WINDOW.end_ns, MINUTE_NS))
        for query in (rate, "{} | quantile_over_time(duration, .5, .99)", "{} | compare({ status = error })")
    ]
    searches = [await engine.search(request) for request in (shop, wide)]
    trace = await engine.trace(TraceRequest(TENANT, searches[0].traces[0].trace_id))
    names = await engine.tag_names(TagNamesRequest(TENANT, WINDOW))
    series = [[(one.labels, repr(one.values.tolist())) for one in found.series] for found in ranges]
    partial = {found.metrics.partial for found in (*ranges, *searches, trace, names)}
    return [series, [found.traces for found in searches], trace.tables, names.scopes, partial]


def asked(sources: tuple[ScanSource, ...], executor: Executor) -> list[Any]:
    return asyncio.run(answers(Engine(Fixed(*sources), executor)))


def remembering(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the address of every worker that is asked for a share."""
    found: list[str] = []
    done = type(cluster.executor)._done

    async def counting(executor: Any, address: str, packed: bytes) -> Any:
        found.append(address)
        return await done(executor, address, packed)

    monkeypatch.setattr(type(cluster.executor), "_done", counting)
    return found


def test_the_answers_are_those_of_one_process(
    sources: tuple[ScanSource, ...], both_work: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = LocalExecutor(2)
    asked_for = remembering(both_work, monkeypatch)
    try:
        here = asked(sources, local)
    finally:
        local.close()
    assert asked(sources, both_work.executor) == here
    assert here[-1] == {""}
    assert asked_for  # workers did it, not this process


def test_a_bar_shows_how_far_the_workers_are(
    sources: tuple[ScanSource, ...], both_work: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUICK_S", 0.0)
    out, work = io.StringIO(), slow_count(sources, 0.1)
    found = asyncio.run(progress.shown_progress(both_work.executor, lambda: out).run(work))
    assert found.total() == counted(sources)
    shown = {int(done) for done in re.findall(rf"(\d+) of {len(work.tasks)} slowcount", out.getvalue())}
    assert 0 in shown
    assert len(shown) > 1


def test_errors_are_those_of_one_process(sources: tuple[ScanSource, ...], both_work: Cluster) -> None:
    request = SearchRequest(TENANT, "{ !span.http.method }", WINDOW)
    with pytest.raises(QueryFailed, match="expected"):
        asyncio.run(Engine(Fixed(*sources), both_work.executor).search(request))


def lose(process: subprocess.Popen[bytes], how: signal.Signals) -> Callable[[], None]:
    return lambda: process.send_signal(how)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_lost_in_the_middle_is_made_up_for(
    sources: tuple[ScanSource, ...], processes: DaskProcesses, both_work: Cluster, how: signal.Signals
) -> None:
    victim = processes.start_worker()
    before = len(both_work.members.scanners)
    until(lambda: len(both_work.members.scanners) > before, "the victim joins")
    require_complete(sources, both_work, lose(victim, how), 0.3)
    end(victim)
    until(lambda: len(both_work.members.scanners) == before, "the victim is gone")


@pytest.mark.slow
def test_a_worker_lost_at_any_time(
    sources: tuple[ScanSource, ...], processes: DaskProcesses, both_work: Cluster
) -> None:
    random_times = random.Random(20)
    before = len(both_work.members.scanners)
    for number in range(20):
        victim = processes.start_worker()
        until(lambda: len(both_work.members.scanners) > before, "the victim joins")
        how = signal.SIGSTOP if number % 4 == 3 else signal.SIGKILL
        require_complete(sources, both_work, lose(victim, how), random_times.uniform(0.0, 1.0))
        end(victim)
        until(lambda: len(both_work.members.scanners) == before, "the victim is gone")


def require_complete(
    sources: tuple[ScanSource, ...], cluster: Cluster, event: Callable[[], object], after_s: float
) -> None:
    """Run work of about a second while something happens; each span must be counted once."""
    timer = threading.Timer(after_s, event)
    work = slow_count(sources, 2.0 / len(slow_count(sources, 0.0).tasks))
    timer.start()
    found = cluster.executor.run_now(work)
    timer.join()
    assert found.total() == counted(sources)
    assert len(found) == len(work.tasks)


def test_a_job_of_maintenance_is_done_once(both_work: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that plan the same compaction ask the same worker, which does it once for both."""
    blocks = BlockStore(open_store(str(tmp_path)))
    for number in range(4):
        chunk = chunk_of([numbered(range(9 * number, 9 * number + 9))])
        blocks.publish("t", [chunk], node="n", first_seq=number + 1, last_seq=number + 1, arrived_ns=(END_NS, END_NS))
    group = CompactGroup(open_store(str(tmp_path)), "t", list(blocks.block_list("t").blocks))
    monkeypatch.setattr(CompactGroup, "__call__", lambda _self: pytest.fail("it is done by a worker"))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: next(both_work.jobs.run([group])), range(2))
    assert first.block is not None
    assert {one.block.id for one in (first, second) if one.block is not None} == set(blocks.block_list("t").blocks)
    assert first.block.source.span_count == 36


def test_a_query_that_nobody_waits_for_ends(sources: tuple[ScanSource, ...], both_work: Cluster) -> None:
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    with pytest.raises(QueryFailed, match="cancelled"):
        both_work.executor.run_now(slow_count(sources, 1.0), cancelled)


@pytest.mark.slow
def test_without_a_scheduler_queries_run_here_until_it_is_back(
    sources: tuple[ScanSource, ...], processes: DaskProcesses, both_work: Cluster
) -> None:
    require_complete(sources, both_work, processes.stop_scheduler, 0.2)
    until(lambda: not both_work.members.is_connected, "the scheduler is missed")
    require_complete(sources, both_work, lambda: None, 0.0)
    for process in processes.workers:
        end(process)  # workers of a scheduler that is gone end by themselves, by and by
    processes.workers.clear()
    processes.start_scheduler()
    processes.start_worker()
    processes.start_worker()
    until(lambda: len(both_work.members.scanners) == 2, "workers join the new scheduler")
    require_complete(sources, both_work, lambda: None, 0.0)
