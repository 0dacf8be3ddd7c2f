"""Traces by id over several large blocks: what a reader takes, and what the engine's whole answer takes.

`BY_ID_SPANS` says how many spans a block has (1,000,000), `BY_ID_BLOCKS` how many blocks there are (10). Blocks are
copies of recorded spans under ids of their own, kept for the next run. Times are of a clock on the wall, with files in
the system's cache; first touches of a block, which open its files, are told apart.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.bench_block import DATA, RECORDED, Result
from benchmarks.data_sets import copied
from storage.block.reader import Block

SPANS = int(os.environ.get("BY_ID_SPANS", "1000000"))
BLOCKS = int(os.environ.get("BY_ID_BLOCKS", "10"))
READS = 400


def main() -> list[Result]:
    """Measure where the recorded data is there."""
    files = [DATA / f"{name}.otlp.pb.gz" for name in RECORDED]
    if not all(file.exists() for file in files):
        return []
    blocks = [copied(files, SPANS, series=n) for n in range(BLOCKS)]
    return list(_reads(blocks))


def _reads(blocks: Sequence[Block]) -> Iterator[Result]:
    rng = np.random.default_rng(1)
    name = f"{len(blocks)} blocks of {SPANS:,} spans"
    first = [_read(blocks, _an_id(block, rng)) for block in blocks]
    started = time.process_time()
    took = [_read(blocks, _an_id(blocks[int(rng.integers(len(blocks)))], rng)) for _ in range(READS)]
    mean = (time.process_time() - started) / READS
    spans = np.array([count for _, count in took])
    for percent in (50, 99):
        yield f"trace by id over {name}, p{percent}", float(np.percentile([s for s, _ in took], percent)) * 1e3, "ms"
    yield f"trace by id over {name}, mean of processor time", mean * 1e3, "ms"
    yield "the first trace of each block, slowest", max(seconds for seconds, _ in first) * 1e3, "ms"
    yield "spans of a trace, median", float(np.median(spans)), "spans"
    yield "spans of a trace, most", float(spans.max()), "spans"


def _an_id(block: Block, rng: np.random.Generator) -> np.ndarray:
    ids = block.sorted_trace_ids()
    return np.array(ids[rng.integers(len(ids))]).reshape(1, 16)


def _read(blocks: Sequence[Block], wanted: np.ndarray) -> tuple[float, int]:
    """Return the seconds that it takes to find and read a trace, and its spans."""
    started = time.perf_counter()
    found = [block.take_traces([int(row)]) for block in blocks for row in block.find(wanted) if row >= 0]
    return time.perf_counter() - started, sum(tables.spans.num_rows for tables in found)
