"""How fast one core answers metrics over a block, against pyarrow and DuckDB over the same files; and dashboards.

Cold means that no column is cached (the files are in the page cache); warm that all are. DuckDB runs the nearest SQL
on one thread. The dashboard's 24 hours lie in blocks and a live chunk, its columns are warm; a refresh moves all
panels on by a step. `python -m benchmarks.bench_metrics --spans 5000000` for the full size.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from storage.block.files import StoredFiles
from storage.block.reader import Block
from storage.block.schema import parquet_name
from storage.block.writer import Origin, write_block
from storage.chunk import Chunk
from storage.columns import ScanSource, TableName
from storage.local_objects import LocalStore
from storage.merge import merge
from tempo_dask.demo.shop import generate
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.metric_questions import question
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.kernels.otlp import decode
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE
from tempo_dask.physical.cube_cache import PROCESS_CUBES
from tempo_dask.physical.units import Shard
from tempo_dask.plan.build import build_metrics
from tempo_dask.plan.nodes import SeriesPlan, TimeRange
from traceql import parse, simplify

SPANS = 200_000
REPEATS = 3
HOUR_NS = 3_600 * 10**9
STEP_NS = 60 * 10**9
END_NS = 1_767_229_200 * 10**9
WINDOW = TimeRange(END_NS - 2 * HOUR_NS, END_NS + HOUR_NS)
BLOCKS = 6
PANEL_STEP_NS = 360 * 10**9

Rows = list[tuple[str, float, str]]
Columns = dict[TableName, list[str]]


@dataclass(frozen=True)
class Asked:
    """A query, the columns that answering it needs, and the nearest SQL over spans (empty: none)."""

    name: str
    query: str
    columns: Columns
    sql: str = ""


_STEP = "epoch_ns(start) // 60000000000"
_BUCKET = "ceil(log2(greatest(duration_ns, 2)))"
ASKED = (
    Asked("rate", "{ } | rate()", {"spans": ["start"]}, f"SELECT {_STEP}, count(*) FROM spans GROUP BY ALL"),
    Asked(
        "rate by service",
        "{ } | rate() by (resource.service.name)",
        {"spans": ["start", "resource"]},
        f"SELECT {_STEP}, resource, count(*) FROM spans GROUP BY ALL",
    ),
    Asked(
        "rate by name",
        "{ } | rate() by (name)",
        {"spans": ["start", "name"]},
        f"SELECT {_STEP}, name, count(*) FROM spans GROUP BY ALL",
    ),
    Asked(
        "rate by span attribute",
        "{ } | rate() by (span.http.method)",
        {"spans": ["start", "span.http.method::str"]},
        f'SELECT {_STEP}, "span.http.method::str", count(*) FROM spans GROUP BY ALL',
    ),
    Asked(
        "p50, p90, p99 by service",
        "{ } | quantile_over_time(duration, .5, .9, .99) by (resource.service.name)",
        {"spans": ["start", "resource", "duration_ns"]},
        f"SELECT {_STEP}, resource, {_BUCKET}, count(*) FROM spans GROUP BY ALL",
    ),
    Asked(
        "the same, exact",
        "{ } | quantile_over_time(duration, .5, .9, .99) by (resource.service.name) with (exact=true)",
        {"spans": ["start", "resource", "duration_ns"]},
        f"SELECT {_STEP}, resource, approx_quantile(duration_ns, [.5, .9, .99]) FROM spans GROUP BY ALL",
    ),
    Asked(
        "histogram",
        "{ } | histogram_over_time(duration)",
        {"spans": ["start", "duration_ns"]},
        f"SELECT {_STEP}, {_BUCKET}, count(*) FROM spans GROUP BY ALL",
    ),
    Asked(
        "structural",
        "{ kind = server } >> { status = error } | rate()",
        {"spans": ["start", "kind", "status", "nested_left", "nested_right", "nested_parent"]},
    ),
    Asked("compare", "{ } | compare({ status = error })", {}),
)
PANELS = (
    "{ } | rate()",
    "{ } | rate() by (resource.service.name)",
    "{ status = error } | rate() by (resource.service.name)",
    "{ } | quantile_over_time(duration, .5, .9, .99) by (resource.service.name)",
    "{ kind = server } | rate() by (name)",
    "{ } | histogram_over_time(duration)",
    "{ kind = server } >> { status = error } | count_over_time()",
    "{ } | avg_over_time(duration) by (resource.service.name)",
)


def main(spans: int = SPANS) -> Rows:
    """Write one block and ask every question of it; then refresh a dashboard."""
    executor = LocalExecutor(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            block = _block(Path(folder), "block", spans, HOUR_NS, END_NS)
            rows = [row for asked in ASKED for row in _measure(asked, block, Path(folder) / "block", executor)]
        with tempfile.TemporaryDirectory() as folder:
            return rows + _dashboard(Path(folder), spans, executor)
    finally:
        executor.close()
        PROCESS_CUBES.keep(0)


def _block(folder: Path, name: str, spans: int, length_ns: int, end_ns: int) -> Block:
    tables = merge([decode(list(generate(spans, end_ns=end_ns, span_of_time_ns=length_ns, seed=end_ns % 997)))])
    encoded = write_block(tables, Origin(name, "bench"))
    store = LocalStore(folder)
    for file, data in encoded.files.items():
        store.put(f"{name}/{file}", memoryview(data))
    return Block.open(encoded.meta, StoredFiles(store, name))


def _measure(asked: Asked, block: Block, folder: Path, executor: LocalExecutor) -> Iterator[tuple[str, float, str]]:
    plan = build_metrics(simplify(parse(asked.query)), WINDOW, STEP_NS, exemplars=100)
    assert isinstance(plan, SeriesPlan)
    work, spans = question(plan.plan, [Shard(block)]).work, block.meta.span_count
    columns = asked.columns or _attribute_columns(block)
    read_s = _best(lambda: _read(columns, folder))
    cold_s = _best(lambda: executor.run_now(work), before=lambda: PROCESS_CACHE.resize(DEFAULT_BYTES))
    warm_s = _best(lambda: executor.run_now(work))
    yield f"{asked.name}: cold", spans / cold_s / 1e6, "M spans/s"
    yield f"{asked.name}: cold over pyarrow's read alone", cold_s / read_s, "times"
    yield f"{asked.name}: warm", spans / warm_s / 1e6, "M spans/s"
    if asked.sql:
        yield f"{asked.name}: cold over DuckDB", cold_s / _duckdb(asked.sql, folder), "times"


def _attribute_columns(block: Block) -> Columns:
    names = [name for name in block.meta.columns if name.startswith("span.")]
    return {"spans": ["start", "resource", "scope", "name", "status", "status_message", "kind", *names]}


def _read(columns: Columns, folder: Path) -> None:
    for table, names in columns.items():
        file = pq.ParquetFile(folder / parquet_name(table), memory_map=True)
        for group in range(file.num_row_groups):
            file.read_row_group(group, names, use_threads=False)


def _duckdb(sql: str, folder: Path) -> float:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"CREATE VIEW spans AS SELECT * FROM read_parquet('{folder / parquet_name('spans')}')")
        return _best(lambda: connection.execute(sql).fetchall())


def _dashboard(folder: Path, spans: int, executor: LocalExecutor) -> Rows:
    part_ns = 24 * HOUR_NS // (BLOCKS + 1)
    count = spans // (BLOCKS + 1)
    blocks = [_block(folder, f"b{n}", count, part_ns, END_NS - (BLOCKS - n) * part_ns) for n in range(BLOCKS)]
    # What is live is what came since the last flush, a few minutes of it.
    newest = generate(max(count // 20, 1000), end_ns=END_NS, span_of_time_ns=part_ns // 20)
    live = Chunk.seal(merge([decode(list(newest))]), id="live", tenant="bench")
    engine = Engine(_Fixed((*blocks, live)), executor)
    PROCESS_CUBES.keep(0)
    _refresh(engine, 0)
    without_s = _best(lambda: _refresh(engine, 1))
    PROCESS_CUBES.keep(folder=folder / "cubes", disk_bytes=1 << 28)
    _refresh(engine, 0)
    with_s = _best(lambda: _refresh(engine, 1))
    PROCESS_CUBES.flush()
    return [
        ("24 h, 8 panels: refresh without cubes", without_s * 1e3, "ms"),
        ("24 h, 8 panels: refresh with cubes", with_s * 1e3, "ms"),
        ("24 h, 8 panels: cubes are faster", without_s / with_s, "times"),
    ]


@dataclass(frozen=True)
class _Fixed:
    sources: tuple[ScanSource, ...]

    async def snapshot(self, tenant: str) -> tuple[ScanSource, ...]:  # noqa: ARG002  # there is one
        return self.sources

    def set_aside(self, tenant: str) -> dict[str, str]:  # noqa: ARG002
        return {}


def _refresh(engine: Engine, step: int) -> None:
    start_ns = END_NS - 24 * HOUR_NS + step * PANEL_STEP_NS

    async def ask(panels: Sequence[str]) -> None:
        for query in panels:
            await engine.query_range(
                RangeRequest("bench", query, start_ns, start_ns + 24 * HOUR_NS, PANEL_STEP_NS, exemplars=100)
            )

    asyncio.run(ask(PANELS))


def _best(run: Callable[[], object], before: Callable[[], None] = lambda: None) -> float:
    """Return the least of several times, seconds."""
    times = []
    for _ in range(REPEATS):
        before()
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=SPANS)
    for what, value, unit in main(parser.parse_args().spans):
        print(f"{what:50} {value:12.2f} {unit}")
