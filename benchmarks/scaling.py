"""Measures what `tempo_dask.bench.cost_model` is fitted to: threads and workers 1 and 2, spans from few to millions.

`python -m benchmarks.scaling` takes some minutes, on a machine that should do nothing else. It writes
`benchmarks/scaling_runs.json` and the tables of `docs/scaling.md`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.data_sets import folder_of, made_up
from benchmarks.scaling_report import Measurements, write_tables
from benchmarks.search_shapes import SHAPES
from storage.block.reader import Block
from storage.block.schema import parquet_name
from tempo_dask.bench.compare import about
from tempo_dask.bench.cost_model import Layout, Run
from tempo_dask.bench.shapes import METRICS
from tempo_dask.cluster.opening import open_cluster
from tempo_dask.engine.executors import Executor
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.metric_questions import question
from tempo_dask.engine.requests import SearchRequest, Window
from tempo_dask.engine.search import PlannedSearch
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE
from tempo_dask.physical.units import ScanUnit, Shard
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.build import build_metrics
from tempo_dask.plan.nodes import SeriesPlan, TimeRange
from tests.cluster.processes import DaskProcesses, until
from traceql import parse, simplify

SIZES = (200_000, 500_000, 1_500_000, 5_000_000)
SEARCHED = ("attribute and duration", "regex of names", "descendants")
COUNTED = ("rate by service", "p50, p90, p99 by service")
ROUNDS = 7
EVER = Window(-(2**62), 2**62)
STEP_NS = 60 * 10**9
#: Copies of the largest block's units, to see what it costs to plan and to send many.
COPIES = (1, 8, 64)
#: Threads of a worker that gets so many shares, to see what each costs.
MANY_THREADS = (8, 32)

Work = PartitionWork[Any, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Who scans, as a layout says it."""

    workers: int
    threads: int
    executor: Executor

    def layout(self, spans: int) -> Layout:
        """All workers are on this machine, so each is a neighbour of the others."""
        return Layout(spans, self.workers, self.threads, max(self.workers - 1, 0) * self.threads)


def main() -> None:
    """Measure all, keep it, write the tables."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        here = [Place(0, threads, LocalExecutor(threads)) for threads in (1, 2)]
        for place in here:
            stack.callback(place.executor.close)
        clusters = [stack.enter_context(_cluster(folder, *counts)) for counts in ((1, 1), (1, 2), (2, 1))]
        scans = [run for size in SIZES for run in _scan_all(made_up(size), [*here, *clusters])]
        cold = [run for size in SIZES[:3] for run in _scan_cold(made_up(size), here)]
        largest = made_up(SIZES[-1])
        clusters += [stack.enter_context(_cluster(folder, 1, threads)) for threads in MANY_THREADS]
        idle = [_idle(place, largest, copies) for place in clusters for copies in COPIES]
        planned = [_planned(largest, copies) for copies in COPIES]
        sizes = {shape.name: _bytes_per_span(largest, shape.columns.get("spans", ())) for shape in SHAPES}
    measured = Measurements(scans, cold, idle, planned, {name: sizes[name] for name in SEARCHED}, about())
    measured.keep()
    write_tables(measured)


@contextmanager
def _cluster(folder: Path, workers: int, threads: int) -> Iterator[Place]:
    """Yield a place of so many worker processes on this machine."""
    own = folder / f"{workers}-{threads}"
    own.mkdir()
    with DaskProcesses(own) as processes:
        for _ in range(workers):
            processes.start_worker("--nthreads", str(threads))
        cluster = open_cluster(processes.address, 1)
        try:
            until(lambda: len(cluster.members.workers) == workers, "the workers join")
            yield Place(workers, threads, cluster.executor)
        finally:
            cluster.close()


def _scan_all(block: Block, places: Sequence[Place]) -> Iterator[Run]:
    """Yield the times of each query with all columns decoded, places asked in turn."""
    for name, work in _works(block):
        yield from _taken(name, block, places, [partial(place.executor.run_now, work) for place in places])


def _scan_cold(block: Block, places: Sequence[Place]) -> Iterator[Run]:
    """Yield the times of each query with no column decoded; the files are in the page cache."""

    def forget_and_run(place: Place, work: Work) -> None:
        PROCESS_CACHE.resize(4 * DEFAULT_BYTES)
        place.executor.run_now(work)

    for name, work in _works(block):
        yield from _taken(name, block, places, [partial(forget_and_run, place, work) for place in places])


def _idle(place: Place, block: Block, copies: int) -> Run:
    """Return the time of work that does nothing on many units."""
    units = tuple(ScanUnit(block, unit) for _ in range(copies) for unit in range(len(block.meta.units)))
    work: Work = PartitionWork(units, _nothing, _nothing_at_all)
    (run,) = _taken("idle", block, [place], [partial(place.executor.run_now, work)])
    return replace(run, layout=replace(run.layout, spans=copies * run.layout.spans))


def _planned(block: Block, copies: int) -> tuple[int, float]:
    """Return how many units were planned, and the seconds of it."""
    shards = [Shard(block)] * copies
    request = SearchRequest("bench", '{ span.http.method = "POST" && duration > 50ms }', EVER)
    times = [_timed(lambda: PlannedSearch.planned(request, shards)) for _ in range(ROUNDS)]
    return copies * len(block.meta.units), min(times)


def _works(block: Block) -> Iterator[tuple[str, Work]]:
    shapes = {shape.name: shape for shape in SHAPES}
    for name in SEARCHED:
        asked = PlannedSearch.planned(SearchRequest("bench", shapes[name].query, EVER), [Shard(block)])
        yield name, replace(asked.work, is_complete=None)
    for name in COUNTED:
        yield name, _series_work(block, METRICS[name].query)


def _series_work(block: Block, query: str) -> Work:
    first_ns = block.meta.start_ns // STEP_NS * STEP_NS - STEP_NS
    steps = (block.meta.end_ns - block.meta.start_ns) // STEP_NS + 3
    window = TimeRange(first_ns, first_ns + steps * STEP_NS)
    plan = build_metrics(simplify(parse(query)), window, STEP_NS, exemplars=100)
    assert isinstance(plan, SeriesPlan)
    return question(plan.plan, [Shard(block)]).work


def _taken(name: str, block: Block, places: Sequence[Place], runs: Sequence[Callable[[], object]]) -> Iterator[Run]:
    """Yield the least of some rounds at each place, after two that are not counted."""
    times: list[list[float]] = [[] for _ in runs]
    for number in range(ROUNDS + 2):
        for taken, run in zip(times, runs, strict=True):
            seconds = _timed(run)
            if number > 1:
                taken.append(seconds)
    for place, taken in zip(places, times, strict=True):
        layout = place.layout(block.meta.span_count)
        print(f"{name:28} {layout.spans:>10,} spans {layout.workers} x {layout.threads}: {1000 * min(taken):8.1f} ms")
        yield Run(name, layout, min(taken))


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _nothing(_place: int, _unit: ScanUnit) -> int:
    return 0


def _nothing_at_all(partials: Iterable[int]) -> int:
    return sum(partials)


def _bytes_per_span(block: Block, columns: Sequence[str]) -> float:
    """Return how many bytes of the file these columns of spans take, each span."""
    meta = pq.ParquetFile(folder_of(block) / parquet_name("spans")).metadata
    chunks = (meta.row_group(group).column(n) for group in range(meta.num_row_groups) for n in range(meta.num_columns))
    taken = sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in columns)
    return round(taken / block.meta.span_count, 2)


if __name__ == "__main__":
    # Workers unpickle what this module names, so it must not be called __main__.
    from benchmarks import scaling

    scaling.main()
