"""What a cluster costs a small query, and what a second worker, or a second thread of one, brings to scans.

Real scheduler and worker processes on loopback. The small query is asked of one process and of one worker in turn.
Scans are the first stage of searches, of every span: cold (nothing is cached but by the operating system) and warm
(columns are decoded already). Two workers need two idle cores: on a busy machine the ratios are worth little, so the
load is told. `python -m benchmarks.bench_cluster --spans 5000000` scans as many.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.data_sets import made_up
from benchmarks.measured import Rows
from benchmarks.search_shapes import SHAPES
from storage.block.reader import Block
from tempo_dask.cluster.executor import ClusterExecutor
from tempo_dask.cluster.opening import Cluster, open_cluster
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import SearchRequest, Window
from tempo_dask.engine.search import PlannedSearch
from tempo_dask.memory import keep_freed_memory
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE
from tempo_dask.physical.search import display_work
from tempo_dask.physical.units import Shard

SPANS = 200_000
SMALL_RUNS = 60
LARGE_RUNS = 7
SCANS = ("service and status", "duration", "regex of names", "descendants", "mean of durations", "by name")
EVER = Window(-(2**62), 2**62)
WAIT_S = 60.0
_LOOPBACK = ("--host", "127.0.0.1", "--no-dashboard")


def main(spans: int = SPANS) -> Rows:
    """Compare one thread with two, one process, one worker, two workers, and one with two threads."""
    keep_freed_memory()
    block = made_up(spans)
    rows: Rows = [("load average of the machine", os.getloadavg()[0], "")]
    for name, cache_bytes in (("cold", 0), ("warm", DEFAULT_BYTES)):
        rows.extend(_threads(block, name, cache_bytes))
    with running(1, 1, DEFAULT_BYTES) as cluster:
        rows.extend(_small(block, cluster))
    for name, cache_bytes in (("cold", 0), ("warm", DEFAULT_BYTES)):
        one, two, threads = (_scanned(block, *how, cache_bytes) for how in ((1, 1), (2, 1), (1, 2)))
        for scan, seconds in one.items():
            rows.append((f"{name} scan, {scan}, one worker", seconds * 1e3, "ms"))
            rows.append((f"{name} scan, {scan}, two workers faster by", seconds / two[scan], "x"))
            rows.append((f"{name} scan, {scan}, two threads of a worker faster by", seconds / threads[scan], "x"))
    return rows


def _threads(block: Block, name: str, cache_bytes: int) -> Rows:
    """Compare one and two threads of this process in turn."""
    one, two = executors = LocalExecutor(1), LocalExecutor(2)
    rows: Rows = []
    PROCESS_CACHE.resize(cache_bytes)
    for shape in SHAPES:
        if shape.name in SCANS:
            asked = PlannedSearch.planned(SearchRequest("bench", shape.query, EVER), (Shard(block),))
            runs = [partial(each.run_now, replace(asked.work, is_complete=None)) for each in executors]
            seconds = [[_seconds(run) for run in runs] for _ in range(1 + LARGE_RUNS)][1:]
            alone, both = (median(column) for column in zip(*seconds, strict=True))
            rows.append((f"{name} scan, {shape.name}, one thread of a process", alone * 1e3, "ms"))
            rows.append((f"{name} scan, {shape.name}, two threads faster by", alone / both, "x"))
    PROCESS_CACHE.resize(DEFAULT_BYTES)
    one.close()
    two.close()
    return rows


def _small(block: Block, cluster: Cluster) -> Rows:
    """Ask for the newest few traces, both stages, here and there in turn."""
    local = LocalExecutor(1)
    here, there = (partial(_search, block, executor) for executor in (local, cluster.executor))
    for run in (here, there):
        _median_s(run, 3)
    seconds = [(_seconds(here), _seconds(there)) for _ in range(SMALL_RUNS)]
    local.close()
    alone, with_worker = (median(column) * 1e3 for column in zip(*seconds, strict=True))
    return [
        ("small search, one process, p50", alone, "ms"),
        ("small search, one worker, p50", with_worker, "ms"),
        ("small search, cost of the cluster, p50", with_worker - alone, "ms"),
    ]


def _search(block: Block, executor: LocalExecutor | ClusterExecutor) -> object:
    asked = PlannedSearch.planned(SearchRequest("bench", "{ status = error }", EVER, limit=5), (Shard(block),))
    return executor.run_now(display_work(asked.plan, executor.run_now(asked.work), asked.work.tasks))


def _scanned(block: Block, workers: int, threads: int, cache_bytes: int) -> Mapping[str, float]:
    """Return the seconds of each scan."""
    found = {}
    with running(workers, threads, cache_bytes) as cluster:
        for shape in SHAPES:
            if shape.name in SCANS:
                asked = PlannedSearch.planned(SearchRequest("bench", shape.query, EVER), (Shard(block),))
                run = partial(cluster.executor.run_now, replace(asked.work, is_complete=None))
                run()
                found[shape.name] = _median_s(run, LARGE_RUNS)
    return found


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _median_s(run: Callable[[], object], times: int) -> float:
    return median(_seconds(run) for _ in range(times))


@contextmanager
def running(workers: int, threads: int, cache_bytes: int) -> Iterator[Cluster]:
    """Run a scheduler and so many workers, and connect once they are there."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        file = Path(folder) / "scheduler.json"

        def start(*command: str) -> None:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("scheduler", *_LOOPBACK, "--port", "0", "--scheduler-file", str(file))
        _until(file.exists)
        time.sleep(0.2)  # it is there before it is written
        address = next(part for part in file.read_text().split('"') if part.startswith("tcp://"))
        plain = (*_LOOPBACK, "--nthreads", str(threads), "--no-nanny", "--local-directory", folder)
        for _ in range(workers):
            start("worker", address, *plain, "--preload", "tempo_dask.worker", "--cache-bytes", str(cache_bytes))
        cluster = open_cluster(address, 1)
        stack.callback(cluster.close)
        _until(lambda: len(cluster.members.scanners) == workers)
        yield cluster


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        if time.monotonic() > deadline:
            msg = f"the cluster was not there after {WAIT_S} s"
            raise TimeoutError(msg)
        time.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=SPANS)
    for what, value, unit in main(parser.parse_args().spans):
        print(f"{what:60} {value:10.2f} {unit}")
