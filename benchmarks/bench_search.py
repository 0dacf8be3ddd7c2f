"""Searches of every shape over one block on one thread: cold, warm, and against others that read the same files.

Cold means that no column is cached (the files are in the page cache), warm that all are. "read alone" is pyarrow
merely reading the columns that the search needs; DuckDB answers the same question, on one thread, from the same
Parquet files. `python -m benchmarks.bench_search --spans 5000000` asks of as many spans, `--recorded FILE...` of copies
of recorded traces.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.search_shapes import SHAPES, Shape
from storage.arrays import single_chunk
from storage.block.files import StoredFiles
from storage.block.reader import Block
from storage.block.schema import parquet_name
from storage.block.writer import Origin, write_block
from storage.columns import SpanTables
from storage.local_objects import LocalStore
from storage.merge import merge
from tempo_dask.demo.shop import generate
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import SearchRequest, Window
from tempo_dask.engine.search import PlannedSearch
from tempo_dask.kernels.otlp import decode
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE
from tempo_dask.physical.search import display_work
from tempo_dask.physical.units import Shard
from tempo_dask.recorded import read_requests

SPANS = 200_000
REPEATS = 3
END_NS = 1_767_229_200 * 10**9
HOUR_NS = 3_600 * 10**9
EVER = Window(-(2**62), 2**62)

Rows = list[tuple[str, float, str]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of one shape; `read_s` and `duckdb_s` are None where there is nothing to compare with."""

    shape: Shape
    cold_s: float
    warm_s: float
    read_s: float | None
    duckdb_s: float | None

    def rows(self, spans: int) -> Iterator[tuple[str, float, str]]:
        """Yield what to print."""
        name = self.shape.name
        yield f"{name}: cold", 1000 * self.cold_s, "ms"
        yield f"{name}: warm", 1000 * self.warm_s, "ms"
        yield f"{name}: warm", spans / self.warm_s / 1e6, "M spans/s"
        if self.read_s is not None:
            yield f"{name}: cold over the read alone", self.cold_s / self.read_s, "times"
        if self.duckdb_s is not None:
            yield f"{name}: cold over DuckDB", self.cold_s / self.duckdb_s, "times"
            yield f"{name}: warm over DuckDB", self.warm_s / self.duckdb_s, "times"


def main(spans: int = SPANS, recorded: Sequence[Path] = ()) -> Rows:
    """Write one block and search it in every shape."""
    with tempfile.TemporaryDirectory() as folder:
        block = _write_block(Path(folder), _copies(recorded, spans) if recorded else _made_up(spans))
        executor = LocalExecutor(1)
        try:
            found = [_measure(shape, block, Path(folder) / "block", executor) for shape in SHAPES]
        finally:
            executor.close()
    count = block.meta.span_count
    return [("spans", count, ""), *(row for measured in found for row in measured.rows(count))]


def _made_up(spans: int) -> Iterator[SpanTables]:
    yield decode(list(generate(spans, end_ns=END_NS, span_of_time_ns=HOUR_NS)))


def _copies(files: Sequence[Path], spans: int) -> Iterator[SpanTables]:
    """Yield copies of recorded spans with ids and times of their own, until there are so many."""
    originals = [decode([request.body for request in read_requests(file)]) for file in files]
    made = number = 0
    while made < spans:
        for tables in originals:
            yield _copy(tables, number)
            made += tables.spans.num_rows
        number += 1


def _copy(tables: SpanTables, number: int) -> SpanTables:
    spans = tables.spans
    ids = np.frombuffer(single_chunk(spans.column("trace_id")).buffers()[1] or b"", np.uint8).reshape(-1, 16).copy()
    ids[:, :4] ^= np.frombuffer(number.to_bytes(4, "big"), np.uint8)
    fresh = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(ids), [None, pa.py_buffer(ids)])
    return replace(tables, spans=spans.set_column(spans.column_names.index("trace_id"), "trace_id", fresh))


def _write_block(folder: Path, parts: Iterator[SpanTables]) -> Block:
    encoded = write_block(merge(list(parts)), Origin("block", "bench"))
    store = LocalStore(folder)
    for name, data in encoded.files.items():
        store.put(f"block/{name}", memoryview(data))
    return Block.open(encoded.meta, StoredFiles(store, "block"))


def _measure(shape: Shape, block: Block, folder: Path, executor: LocalExecutor) -> Measured:
    def search() -> None:
        asked = PlannedSearch.planned(SearchRequest("bench", shape.query, EVER), (Shard(block),))
        # Shapes are compared over all spans, but for the one that asks for the newest traces whatever they are.
        work = asked.work if shape.name == "most recent" else replace(asked.work, is_complete=None)
        executor.run_now(display_work(asked.plan, executor.run_now(work), work.tasks))

    read = (lambda: _read(shape, folder)) if shape.columns else None
    return Measured(
        shape,
        _best(search, before=lambda: PROCESS_CACHE.resize(DEFAULT_BYTES)),
        _best(search),
        None if read is None else _best(read),
        _ask_duckdb(shape, folder) if shape.where else None,
    )


def _read(shape: Shape, folder: Path) -> None:
    for table, columns in shape.columns.items():
        file = pq.ParquetFile(folder / parquet_name(table), memory_map=True)
        known = [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            file.read_row_group(group, known, use_threads=False)


def _ask_duckdb(shape: Shape, folder: Path) -> float | None:
    """Return how long DuckDB takes, None where the block has not the columns that it is asked for."""
    connection = duckdb.connect(config={"threads": 1})
    places = {"spans": f"'{folder / 'spans.parquet'}'", "resources": str(folder / "resources.parquet")}
    sql = shape.sql.replace("{where}", shape.where).format(**places)
    try:
        return _best(lambda: connection.execute(sql).fetchall())
    except duckdb.BinderException:
        return None
    finally:
        connection.close()


def _best(run: Callable[[], object], before: Callable[[], None] = lambda: None) -> float:
    """Return the least of several times: seconds of processor time of all threads, so that others may be at work."""
    times = []
    for _ in range(REPEATS):
        before()
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)


def _print() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=SPANS)
    parser.add_argument("--recorded", type=Path, nargs="*", default=[], metavar="FILE")
    asked = parser.parse_args()
    for what, value, unit in main(asked.spans, asked.recorded):
        print(f"{what:50} {value:12,.3f} {unit}")


if __name__ == "__main__":
    _print()
