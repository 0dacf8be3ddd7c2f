"""How fast one core scans a block, against pyarrow merely reading the same columns of the same files.

Cold means that no column is cached (the files are in the page cache); warm that all are.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from storage.block.files import StoredFiles
from storage.block.reader import Block
from storage.block.schema import parquet_name
from storage.block.writer import Origin, write_block
from storage.columns import TableName
from storage.local_objects import LocalStore
from storage.merge import merge
from tempo_dask.demo.shop import generate
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.kernels.otlp import decode
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE
from tempo_dask.physical.search import match_work
from tempo_dask.physical.series import series_work
from tempo_dask.physical.units import Shard
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.build import build_metrics, build_search
from tempo_dask.plan.nodes import NewestTraces, SeriesPlan, TimeRange, TimeSeries
from tempo_dask.plan.optimize import optimize
from traceql import parse, simplify

SPANS = 1_000_000
REPEATS = 5
HOUR_NS = 3_600 * 10**9
END_NS = 1_767_229_200 * 10**9
WINDOW = TimeRange(END_NS - 2 * HOUR_NS, END_NS + HOUR_NS)

Rows = list[tuple[str, float, str]]


@dataclass(frozen=True)
class Question:
    """A query, and the columns that answering it needs."""

    name: str
    query: str
    columns: dict[TableName, list[str]]


QUESTIONS = (
    Question(
        "filter by two conditions",
        '{ span.http.method = "POST" && duration > 50ms }',
        {"spans": ["span.http.method::str", "duration_ns"], "traces": ["span_count"]},
    ),
    Question(
        "filter by service and status",
        '{ resource.service.name = "cart" && status = error }',
        {"spans": ["resource", "status"], "traces": ["span_count"]},
    ),
    Question(
        "regex over names",
        '{ name =~ ".*cart.*" }',
        {"spans": ["name"], "traces": ["span_count"]},
    ),
    Question(
        "structural",
        "{ kind = server } >> { status = error }",
        {"spans": ["kind", "status", "nested_left", "nested_right", "nested_parent"], "traces": ["span_count"]},
    ),
    Question(
        "rate by service",
        "{ } | rate() by (resource.service.name)",
        {"spans": ["start", "resource"], "traces": ["span_count"]},
    ),
    Question("rate by name", "{ } | rate() by (name)", {"spans": ["start", "name"], "traces": ["span_count"]}),
)


def main() -> Rows:
    """Write one block and ask every question of it."""
    with tempfile.TemporaryDirectory() as folder:
        block = _write_block(Path(folder))
        executor = LocalExecutor(1)
        try:
            return [row for question in QUESTIONS for row in _measure(question, block, Path(folder), executor)]
        finally:
            executor.close()


def _write_block(folder: Path) -> Block:
    tables = merge([decode(list(generate(SPANS, end_ns=END_NS, span_of_time_ns=HOUR_NS)))])
    encoded = write_block(tables, Origin("block", "bench"))
    store = LocalStore(folder)
    for name, data in encoded.files.items():
        store.put(f"block/{name}", memoryview(data))
    return Block.open(encoded.meta, StoredFiles(store, "block"))


def _measure(question: Question, block: Block, folder: Path, executor: LocalExecutor) -> Rows:
    work = _work(question, block)
    spans = block.meta.span_count
    read_s = _best(lambda: _read(question, folder))
    cold_s = _best(lambda: executor.run_now(work), before=lambda: PROCESS_CACHE.resize(DEFAULT_BYTES))
    warm_s = _best(lambda: executor.run_now(work))
    return [
        (f"{question.name}: pyarrow reads", spans / read_s / 1e6, "M spans/s"),
        (f"{question.name}: cold", spans / cold_s / 1e6, "M spans/s"),
        (f"{question.name}: cold over the read alone", cold_s / read_s, "times"),
        (f"{question.name}: warm", spans / warm_s / 1e6, "M spans/s"),
    ]


def _work(question: Question, block: Block) -> PartitionWork:
    query = simplify(parse(question.query))
    if not query.is_metrics:
        newest = NewestTraces(limit=20, spans_per_set=3)
        work = match_work(optimize(build_search(query, WINDOW, newest)), newest, [Shard(block)])
        return replace(work, is_complete=None)  # no early stop: all of the block is scanned
    metrics = build_metrics(query, WINDOW, 60 * 10**9, exemplars=100)
    if not isinstance(metrics, SeriesPlan) or not isinstance(metrics.plan.output, TimeSeries):
        raise TypeError(metrics)
    return series_work(metrics.plan, metrics.plan.output, [Shard(block)])


def _read(question: Question, folder: Path) -> None:
    for table, columns in question.columns.items():
        file = pq.ParquetFile(folder / "block" / parquet_name(table), memory_map=True)
        for group in range(file.num_row_groups):
            file.read_row_group(group, columns, use_threads=False)


def _best(run: Callable[[], object], before: Callable[[], None] = lambda: None) -> float:
    """Return the least of several times, seconds."""
    times = []
    for _ in range(REPEATS):
        before()
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)
