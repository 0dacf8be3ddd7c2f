"""How fast one core answers metrics over a block, against pyarrow and DuckDB over the same files; and dashboards.

Cold means that no column is cached (the files are in the page cache); warm that all are. DuckDB runs the nearest SQL
on one thread. The dashboard's 24 hours lie in blocks and a live chunk, its columns are warm; a refresh moves all
panels on by a step. `python -m benchmarks.bench_metrics --spans 5000000` asks of as many spans, `--recorded FILE...`
of copies of recorded traces.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.data_sets import END_NS, HOUR_NS, copied, folder_of, made_up
from benchmarks.measured import Columns, Measured, Rows, measure, show
from storage.block.reader import Block
from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.merge import merge
from tempo_dask.bench.shapes import METRICS
from tempo_dask.demo.shop import generate
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.metric_questions import question
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.kernels.otlp import decode
from tempo_dask.memory import keep_freed_memory
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE
from tempo_dask.physical.cube_cache import PROCESS_CUBES
from tempo_dask.physical.units import Shard
from tempo_dask.plan.build import build_metrics
from tempo_dask.plan.nodes import SeriesPlan, TimeRange
from traceql import parse, simplify

SPANS = 200_000
REFRESHES = 5
STEP_NS = 60 * 10**9
MOST_STEPS = 1_000
BLOCKS = 6
PANEL_STEP_NS = 360 * 10**9


@dataclass(frozen=True)
class Asked:
    """A query, the columns that answering it needs, and the nearest SQL over spans (empty: none)."""

    name: str
    query: str
    columns: Columns
    sql: str = ""


_STEP = "epoch_ns(start) // {step}"
_BUCKET = "ceil(log2(greatest(duration_ns, 2)))"
ASKED = (
    Asked("rate", METRICS["rate"].query, {"spans": ["start"]}, f"SELECT {_STEP}, count(*) FROM spans GROUP BY ALL"),
    Asked(
        "rate by service",
        METRICS["rate by service"].query,
        {"spans": ["start", "resource"]},
        f"SELECT {_STEP}, resource, count(*) FROM spans GROUP BY ALL",
    ),
    Asked(
        "rate by name",
        METRICS["rate by name"].query,
        {"spans": ["start", "name"]},
        f"SELECT {_STEP}, name, count(*) FROM spans GROUP BY ALL",
    ),
    Asked(
        "rate by span attribute",
        METRICS["rate by span attribute"].query,
        {"spans": ["start", "span.http.method::str"]},
        f'SELECT {_STEP}, "span.http.method::str", count(*) FROM spans GROUP BY ALL',
    ),
    Asked(
        "p50, p90, p99 by service",
        METRICS["p50, p90, p99 by service"].query,
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
        METRICS["histogram"].query,
        {"spans": ["start", "duration_ns"]},
        f"SELECT {_STEP}, {_BUCKET}, count(*) FROM spans GROUP BY ALL",
    ),
    Asked(
        "structural",
        METRICS["structural"].query,
        {"spans": ["start", "kind", "status", "nested_left", "nested_right", "nested_parent"]},
    ),
    Asked("compare", METRICS["compare"].query, {}),
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
    """Ask every question of a made-up shop; then refresh a dashboard. Memory is kept as a server keeps it."""
    keep_freed_memory()
    rows = [row for measured in ask_all(made_up(spans)) for row in measured.rows()]
    return rows + refresh_dashboard(spans)


def ask_all(block: Block) -> list[Measured]:
    """Ask every question of one block."""
    executor = LocalExecutor(1)
    try:
        return [_measure(asked, block, executor) for asked in ASKED]
    finally:
        executor.close()


def refresh_dashboard(spans: int) -> Rows:
    """Refresh a dashboard over so many spans, with and without cubes."""
    executor = LocalExecutor(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _dashboard(Path(folder), spans, executor)
    finally:
        executor.close()
        PROCESS_CUBES.keep(0)


def print_all(spans: int, recorded: Sequence[Path]) -> None:
    """Print a table of a made-up shop's spans, or of copies of recorded ones."""
    keep_freed_memory()
    block = copied(recorded, spans) if recorded else made_up(spans)
    show(f"metrics of {block.meta.span_count:,} spans, one thread", ask_all(block))
    for what, value, unit in refresh_dashboard(spans):
        print(f"{what:50} {value:12.2f} {unit}")


def _measure(asked: Asked, block: Block, executor: LocalExecutor) -> Measured:
    length_ns = block.meta.end_ns - block.meta.start_ns
    step_ns = STEP_NS * -(-length_ns // (STEP_NS * MOST_STEPS))
    first_ns = block.meta.start_ns // step_ns * step_ns - step_ns
    window = TimeRange(first_ns, first_ns + (length_ns // step_ns + 3) * step_ns)
    plan = build_metrics(simplify(parse(asked.query)), window, step_ns, exemplars=100)
    assert isinstance(plan, SeriesPlan)
    work, folder = question(plan.plan, [Shard(block)]).work, folder_of(block)
    columns, sql = asked.columns or _attribute_columns(block), asked.sql.format(step=step_ns)
    return measure(lambda: executor.run_now(work), asked.name, block.meta.span_count, columns, sql, folder)


def _attribute_columns(block: Block) -> Columns:
    names = [name for name in block.meta.columns if name.startswith("span.")]
    return {"spans": ["start", "resource", "scope", "name", "status", "status_message", "kind", *names]}


def _dashboard(folder: Path, spans: int, executor: LocalExecutor) -> Rows:
    part_ns = 24 * HOUR_NS // (BLOCKS + 1)
    count = spans // (BLOCKS + 1)
    blocks = [made_up(count, END_NS - (BLOCKS - n) * part_ns, part_ns) for n in range(BLOCKS)]
    # What is live is what came since the last flush, a few minutes of it.
    newest = generate(max(count // 20, 1000), end_ns=END_NS, span_of_time_ns=part_ns // 20)
    live = Chunk.seal(merge([decode(list(newest))]), id="live", tenant="bench")
    engine = Engine(_Fixed((*blocks, live)), executor)
    PROCESS_CUBES.keep(0)
    without_s = _refreshed(engine)
    first_without_s = _first(engine)
    PROCESS_CUBES.keep(folder=folder / "cubes", disk_bytes=1 << 28)
    with_s = _refreshed(engine)
    PROCESS_CUBES.flush()
    PROCESS_CUBES.keep(folder=folder / "cubes", disk_bytes=1 << 28)
    from_disk_s = _first(engine)
    PROCESS_CUBES.flush()  # what is still to be written, before its folder goes
    return [
        ("24 h, 8 panels: refresh without cubes", without_s * 1e3, "ms"),
        ("24 h, 8 panels: refresh with cubes", with_s * 1e3, "ms"),
        ("24 h, 8 panels: cubes are faster", without_s / with_s, "times"),
        ("24 h, 8 panels: first after a start, without cubes", first_without_s * 1e3, "ms"),
        ("24 h, 8 panels: first after a start, cubes on disk", from_disk_s * 1e3, "ms"),
        ("24 h, 8 panels: those are faster", first_without_s / from_disk_s, "times"),
    ]


@dataclass(frozen=True)
class _Fixed:
    sources: tuple[ScanSource, ...]

    async def snapshot(self, tenant: str) -> tuple[ScanSource, ...]:  # noqa: ARG002  # there is one
        return self.sources

    def set_aside(self, tenant: str) -> dict[str, str]:  # noqa: ARG002
        return {}


def _refreshed(engine: Engine) -> float:
    """Return the least time of some refreshes after a first one, seconds of processor time; each moves on by a step."""
    _refresh(engine, 0)
    PROCESS_CUBES.flush()
    return min(_timed(partial(_refresh, engine, step)) for step in range(1, REFRESHES + 1))


def _first(engine: Engine) -> float:
    """Return the processor time of a refresh with no column decoded, as after a start."""
    PROCESS_CACHE.resize(0)
    PROCESS_CACHE.resize(DEFAULT_BYTES)
    return _timed(lambda: _refresh(engine, 0))


def _timed(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def _refresh(engine: Engine, step: int) -> None:
    start_ns = END_NS - 24 * HOUR_NS + step * PANEL_STEP_NS

    async def ask(panels: Sequence[str]) -> None:
        for query in panels:
            await engine.query_range(
                RangeRequest("bench", query, start_ns, start_ns + 24 * HOUR_NS, PANEL_STEP_NS, exemplars=100)
            )

    asyncio.run(ask(PANELS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=SPANS)
    parser.add_argument("--recorded", type=Path, nargs="*", default=[], metavar="FILE")
    given = parser.parse_args()
    print_all(given.spans, given.recorded)
