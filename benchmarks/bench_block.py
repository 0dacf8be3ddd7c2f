"""What a block costs: bytes per span, from columns to a sealed chunk and to a block, reading columns and single traces.

Rates are per second of processor time of one thread, so that a busy machine changes them little.
"""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from storage.block.files import StoredFiles
from storage.block.reader import Block
from storage.block.writer import EncodedBlock, Origin, write_block
from storage.chunk import Chunk, merge_chunks
from storage.columns import SpanTables
from storage.local_objects import LocalStore
from storage.merge import merge
from tempo_dask.kernels.otlp import decode

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RECORDED = ("astronomy-shop", "hipster-shop", "train-ticket-1", "deathstar-media")
GROUP_SPANS = 10_000
COLUMNS = (
    "start",
    "duration_ns",
    "name",
    "trace_id",
    "nested_left",
    "span.http.url::str",
    "span.http.status_code::int",
)

T = TypeVar("T")
Result = tuple[str, float, str]


def main() -> list[Result]:
    """Measure every recorded file that is there, and all of them in one block."""
    results: list[Result] = []
    chunks: list[Chunk] = []
    for name in RECORDED:
        if (DATA / f"{name}.otlp.pb.gz").exists():
            groups = list(_groups(_bodies(name)))
            merge(groups[:1])
            rate, sealed = _rate(groups, lambda groups=groups: [_seal(group) for group in groups])
            results.append((f"{name}: group to chunk", rate, "spans/s"))
            chunks += sealed
            results += _measure_block(name, sealed)
    if chunks:
        results += _measure_block("all", chunks)
    return results


def _measure_block(name: str, chunks: Sequence[Chunk]) -> Iterator[Result]:
    sorted_ = [chunk.tables for chunk in chunks]
    rate, merged = _rate(sorted_, lambda: merge_chunks(chunks).tables)
    yield f"{name}: chunks to sorted", rate, "spans/s"
    rate, block = _rate([merged], lambda: write_block(merged, Origin("b", "t")))
    yield f"{name}: sorted to block", rate, "spans/s"
    yield f"{name}: size of everything", sum(map(len, block.files.values())) / merged.spans.num_rows, "bytes/span"
    with tempfile.TemporaryDirectory() as folder:
        yield from _measure_reads(name, block, Path(folder))


def _measure_reads(name: str, encoded: EncodedBlock, folder: Path) -> Iterator[Result]:
    store = LocalStore(folder)
    for file, data in encoded.files.items():
        store.put(f"t/b/{file}", bytes(data))
    block = Block.open(encoded.meta, StoredFiles(store, "t/b"))
    spans = block.meta.units[0].stop_span
    for column in COLUMNS:
        if block.read("spans", column, 0) is not None:
            took = min(_took(lambda column=column: block.read("spans", column, 0)) for _ in range(3))
            yield f"{name}: read {column}", spans / took, "values/s"
    ids = np.asarray(block.sorted_trace_ids())
    chosen = np.random.default_rng(1).permutation(len(ids))[:40]
    found = [_took(lambda at=at: block.find(ids[at : at + 1])) for at in chosen]
    yield f"{name}: find a trace", float(np.median(found)) * 1e6, "µs"
    taken = sorted(_took(lambda at=at: block.take_traces(block.find(ids[at : at + 1]).tolist())) for at in chosen)
    yield f"{name}: trace by id, median", taken[len(taken) // 2] * 1e3, "ms"
    yield f"{name}: trace by id, slowest", taken[-1] * 1e3, "ms"


def _seal(group: SpanTables) -> Chunk:
    return Chunk.seal(merge([group]), id="c", tenant="t")


def _rate(tables: Sequence[SpanTables], work: Callable[[], T]) -> tuple[float, T]:
    """Return the spans a second that `work` passes, the better of two runs, and what it made."""
    took = []
    for _ in range(2):
        started = time.thread_time()
        result = work()
        took.append(time.thread_time() - started)
    return sum(t.spans.num_rows for t in tables) / min(took), result


def _took(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started


def _bodies(name: str) -> Iterator[bytes]:
    raw = gzip.decompress((DATA / f"{name}.otlp.pb.gz").read_bytes())
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        yield raw[at + 4 : at + 4 + size]
        at += 4 + size


def _groups(bodies: Iterator[bytes]) -> Iterator[SpanTables]:
    """Yield decoded groups of about `GROUP_SPANS` spans, as the ingest makes them."""
    waiting: list[bytes] = []
    count = 0
    for body in bodies:
        waiting.append(body)
        count += decode([body]).spans.num_rows
        if count >= GROUP_SPANS:
            yield decode(waiting)
            waiting, count = [], 0
    if waiting:
        yield decode(waiting)
