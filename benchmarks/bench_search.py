"""Searches of every shape over one block on one thread: cold, warm, and against others that read the same files.

Cold means that no column is cached (the files are in the page cache), warm that all are. "read alone" is pyarrow
merely reading the columns that the search needs; DuckDB answers the same question, on one thread, from the same
Parquet files. `python -m benchmarks.bench_search --spans 5000000` asks of as many spans, `--recorded FILE...` of copies
of recorded traces, `--shapes regex` in a few shapes alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.data_sets import copied, folder_of, made_up
from benchmarks.measured import Measured, Rows, measure, show
from benchmarks.search_shapes import SHAPES, Shape
from storage.block.reader import Block
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import SearchRequest, Window
from tempo_dask.engine.search import PlannedSearch
from tempo_dask.memory import keep_freed_memory
from tempo_dask.physical.search import display_work
from tempo_dask.physical.units import Shard

SPANS = 200_000
EVER = Window(-(2**62), 2**62)


def main(spans: int = SPANS) -> Rows:
    """Search a made-up shop in every shape. Memory is kept as a server keeps it."""
    keep_freed_memory()
    return [row for measured in ask_all(made_up(spans)) for row in measured.rows()]


def ask_all(block: Block, among: str = "") -> list[Measured]:
    """Search one block in every shape whose name holds `among`."""
    executor = LocalExecutor(1)
    try:
        return [_measure(shape, block, executor) for shape in SHAPES if among in shape.name]
    finally:
        executor.close()


def _measure(shape: Shape, block: Block, executor: LocalExecutor) -> Measured:
    def search() -> None:
        asked = PlannedSearch.planned(SearchRequest("bench", shape.query, EVER), (Shard(block),))
        # Shapes are compared over all spans, but for the one that asks for the newest traces whatever they are.
        work = asked.work if shape.name == "most recent" else replace(asked.work, is_complete=None)
        executor.run_now(display_work(asked.plan, executor.run_now(work), work.tasks))

    return measure(search, shape.name, block.meta.span_count, shape.columns, shape.statement, folder_of(block))


def print_all(spans: int, recorded: Sequence[Path], among: str) -> None:
    """Print a table of a made-up shop's spans, or of copies of recorded ones."""
    keep_freed_memory()
    block = copied(recorded, spans) if recorded else made_up(spans)
    show(f"searches of {block.meta.span_count:,} spans, one thread", ask_all(block, among))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=SPANS)
    parser.add_argument("--recorded", type=Path, nargs="*", default=[], metavar="FILE")
    parser.add_argument("--shapes", default="", metavar="PART", help="ask in the shapes whose names hold this")
    asked = parser.parse_args()
    print_all(asked.spans, asked.recorded, asked.shapes)
