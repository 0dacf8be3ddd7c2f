"""What a question took: cold, warm, and beside others that read the same files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from storage.block.schema import parquet_name
from storage.columns import TableName
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE

REPEATS = 3

Rows = list[tuple[str, float, str]]
Columns = Mapping[TableName, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of one question; `read_s` and `duckdb_s` are None where there is nothing to compare with."""

    name: str
    spans: int
    cold_s: float
    warm_s: float
    read_s: float | None
    duckdb_s: float | None

    def rows(self) -> Iterator[tuple[str, float, str]]:
        """Yield what to print in a summary."""
        yield f"{self.name}: cold", self.spans / self.cold_s / 1e6, "M spans/s"
        yield f"{self.name}: warm", self.spans / self.warm_s / 1e6, "M spans/s"
        if self.read_s is not None:
            yield f"{self.name}: cold over the read alone", self.cold_s / self.read_s, "times"
        if self.duckdb_s is not None:
            yield f"{self.name}: cold over DuckDB", self.cold_s / self.duckdb_s, "times"
            yield f"{self.name}: warm over DuckDB", self.warm_s / self.duckdb_s, "times"

    def cells(self) -> Iterator[str]:
        """Yield the cells of its row in a table."""
        yield self.name
        yield from (f"{1000 * seconds:,.1f}" for seconds in (self.cold_s, self.warm_s))
        yield from (f"{self.spans / seconds / 1e6:,.0f}" for seconds in (self.cold_s, self.warm_s))
        yield f"{self.cold_s / self.warm_s:.1f}"
        yield _ratio(self.cold_s, self.read_s)
        yield _ratio(self.cold_s, self.duckdb_s)
        yield _ratio(self.warm_s, self.duckdb_s)


HEADINGS = (
    "question",
    "cold ms",
    "warm ms",
    "cold M spans/s",
    "warm M spans/s",
    "cold / warm",
    "cold / read alone",
    "cold / DuckDB",
    "warm / DuckDB",
)


def measure(ask: Callable[[], object], name: str, spans: int, columns: Columns, sql: str, folder: Path) -> Measured:
    """Ask cold and warm, let pyarrow read the columns, and let DuckDB answer `sql` (empty: none)."""
    return Measured(
        name,
        spans,
        best(ask, before=lambda: PROCESS_CACHE.resize(4 * DEFAULT_BYTES)),
        best(ask),
        best(lambda: _read(columns, folder)) if columns else None,
        _ask_duckdb(sql, folder) if sql else None,
    )


def best(run: Callable[[], object], before: Callable[[], None] = lambda: None) -> float:
    """Return the least of several times: seconds of processor time of all threads, so that others may be at work."""
    times = []
    for _ in range(REPEATS):
        before()
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)


def show(title: str, measured: Sequence[Measured]) -> None:
    """Print a table, a row for each question."""
    table = Table(*HEADINGS, title=title, title_justify="left")
    for one in measured:
        table.add_row(*one.cells())
    Console(width=150).print(table)


def _ratio(seconds: float, other_s: float | None) -> str:
    return "" if other_s is None else f"{seconds / other_s:.2f}"


def _read(columns: Columns, folder: Path) -> None:
    for table, wanted in columns.items():
        file = pq.ParquetFile(folder / parquet_name(table), memory_map=True)
        known = [name for name in wanted if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            file.read_row_group(group, known, use_threads=False)


def _ask_duckdb(sql: str, folder: Path) -> float | None:
    """Return how long DuckDB takes on one thread, None where the block has not the columns that it is asked for."""
    with duckdb.connect(config={"threads": 1}) as connection:
        for table in ("spans", "resources"):
            path = folder / parquet_name(table)
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{path}', file_row_number = true)")
        try:
            return best(lambda: connection.execute(sql).fetchall())
        except duckdb.BinderException:
            return None
