"""The life of blocks: flush of a burst, compaction, traces by id over many blocks, start-up with many, bytes per span.

`STORAGE_SPANS` says how many spans a block has (60,000), `STORAGE_BLOCKS` how many blocks a store is started with
(10,000), `STORAGE_BURST` how many spans are flushed at once (600,000). Rates are per second of processor time of one
thread; times of single reads are what a clock on the wall says.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cramjam
import numpy as np
import pyarrow as pa

from benchmarks.bench_block import DATA, RECORDED, Result, _bodies, _groups
from storage.arrays import single_chunk, values
from storage.block.meta import DESCRIPTION, BlockMeta
from storage.block_list import WalRange
from storage.block_store import BlockStore, _record
from storage.chunk import Chunk
from storage.columns import TIME, TRACE_ID, SpanTables
from storage.commit_log import CommitLog
from storage.local_objects import LocalStore
from storage.merge import merge

SPANS = int(os.environ.get("STORAGE_SPANS", "60000"))
BLOCKS = int(os.environ.get("STORAGE_BLOCKS", "10000"))
BURST = int(os.environ.get("STORAGE_BURST", "600000"))
HOUR_NS = 3600 * 10**9


def main() -> list[Result]:
    """Measure what the recorded data allows."""
    if not all((DATA / f"{name}.otlp.pb.gz").exists() for name in RECORDED):
        return []
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        store = BlockStore(LocalStore(Path(folder)))
        for n in range(10):
            _publish(store, [_chunk(n, SPANS)], n + 1)
        results += _by_id(store)
        results += _compaction(store)
    with tempfile.TemporaryDirectory() as folder:
        results += _start_up(Path(folder))
    results += _size()
    burst = subprocess.run([sys.executable, "-m", "benchmarks.bench_storage", "burst"], capture_output=True, check=True)
    seconds, peak = burst.stdout.split()[-2:]
    results.append((f"flush of {BURST:,} live spans: one thread", BURST / float(seconds), "spans/s"))
    results.append((f"flush of {BURST:,} live spans: peak of the process above them", float(peak), "MiB"))
    return results


def _recorded() -> list[SpanTables]:
    return [merge([group]) for name in RECORDED for group in _groups(_bodies(name))]


_parts: list[SpanTables] = []


def _copies(spans: int, seed: int) -> Iterator[SpanTables]:
    """Yield recorded spans under other trace ids, an hour's worth of them for each time they are used up."""
    if not _parts:
        _parts.extend(_recorded())
    count = 0
    for turn in range(1 << 20):
        for part in _parts:
            if count >= spans:
                return
            yield _renamed(part, seed << 20 | turn)
            count += part.spans.num_rows


def _renamed(part: SpanTables, by: int) -> SpanTables:
    """Return the spans under other trace ids, all in one hour."""
    ids = values(single_chunk(part.spans.column("trace_id")), "V16").view(np.uint64).reshape(-1, 2).copy()
    ids[:, 0] ^= np.uint64(by * 0x9E3779B97F4A7C15 % 2**64)
    starts = values(single_chunk(part.spans.column("start")), np.int64)
    starts = 1_700_000_000 * 10**9 + (starts - starts.min()) % HOUR_NS
    spans = part.spans.drop_columns(["trace", "nested_left", "nested_right", "nested_parent"])
    spans = spans.set_column(
        0, spans.schema.field(0), pa.Array.from_buffers(TRACE_ID, len(ids), [None, pa.py_buffer(ids)])
    )
    spans = spans.set_column(3, spans.schema.field(3), pa.array(starts).view(TIME))
    return merge([replace(part, spans=spans, traces=None)])


def _chunk(seed: int, spans: int) -> Chunk:
    return Chunk.seal(merge(list(_copies(spans, seed))), id=f"c{seed}", tenant="t")


def _publish(store: BlockStore, chunks: Sequence[Chunk], seq: int) -> BlockMeta:
    now_ns = time.time_ns()
    meta = store.publish("t", chunks, node="n", first_seq=seq, last_seq=seq, arrived_ns=(now_ns, now_ns))
    assert meta is not None
    return meta


def _by_id(store: BlockStore) -> Iterator[Result]:
    blocks = store.snapshot("t").blocks
    rng = np.random.default_rng(1)
    took = []
    for _ in range(300):
        chosen = blocks[rng.integers(len(blocks))]
        ids = chosen.sorted_trace_ids()
        wanted = np.array(ids[rng.integers(len(ids))]).reshape(1, 16)
        started = time.perf_counter()
        found = [b.take_traces([int(row)]) for b in blocks for row in b.find(wanted) if row >= 0]
        took.append(time.perf_counter() - started)
        assert found
    p50, p99 = np.percentile(took[20:], [50, 99]) * 1e3
    yield f"trace by id over {len(blocks)} blocks of {SPANS:,} spans, median", p50, "ms"
    yield f"trace by id over {len(blocks)} blocks of {SPANS:,} spans, p99", p99, "ms"


def _compaction(store: BlockStore) -> Iterator[Result]:
    inputs = list(store.block_list("t").blocks)[:4]
    started = time.thread_time()
    meta = store.replace("t", inputs)
    yield "compaction of 4 blocks", 4 * SPANS / (time.thread_time() - started), "spans/s"
    yield "size of the compacted block", meta.size_bytes / meta.source.span_count, "bytes/span"


def _start_up(folder: Path) -> Iterator[Result]:
    """Open a store of small blocks as a process does that has just started."""
    objects = LocalStore(folder)
    small = Chunk.seal(merge([next(_groups(_bodies(RECORDED[0])))]), id="s", tenant="t").take_traces([0])
    meta = _publish(BlockStore(objects), [Chunk.seal(small, id="s", tenant="t")], 1)
    records = []
    for n in range(1, BLOCKS):
        copy = replace(meta, source=replace(meta.source, id=f"{n:08x}-0000-4000-8000-000000000000"))
        target = folder / "t" / copy.id
        target.mkdir()
        for name in meta.files:
            os.link(folder / "t" / meta.id / name, target / name)
        (target / DESCRIPTION).write_bytes(copy.encode())
        records.append(_record(copy, 0))
    log = CommitLog(objects, "t")
    for at in range(0, len(records), 50):
        log.commit(add=records[at : at + 50], flushed={"n": WalRange(at + 2, at + 2)})
    started = time.perf_counter()
    listed = BlockStore(LocalStore(folder)).block_list("t")
    yield f"start-up with {len(listed.blocks):,} blocks: the list", time.perf_counter() - started, "s"
    started = time.perf_counter()
    snapshot = BlockStore(LocalStore(folder)).snapshot("t")
    assert len(snapshot.blocks) == len(listed.blocks)
    yield f"start-up with {len(listed.blocks):,} blocks: all opened", time.perf_counter() - started, "s"


def _size() -> Iterator[Result]:
    """Compare with what zstd makes of the requests as they were sent, ten thousand spans at a time."""
    for name in RECORDED:
        bodies = list(_bodies(name))
        chunks = [Chunk.seal(merge([group]), id=f"g{n}", tenant="t") for n, group in enumerate(_groups(iter(bodies)))]
        with tempfile.TemporaryDirectory() as folder:
            meta = _publish(BlockStore(LocalStore(Path(folder))), chunks, 1)
        spans = meta.source.span_count
        yield f"{name}: a block", meta.size_bytes / spans, "bytes/span"
        yield f"{name}: zstd of OTLP", len(cramjam.zstd.compress(b"".join(bodies), 3)) / spans, "bytes/span"


def _burst() -> None:
    """Publish a burst from live chunks; print the processor time and how far memory rises above them."""
    chunks = [Chunk.seal(t, id=f"b{n}", tenant="t") for n, t in enumerate(_merged(list(_copies(BURST, 1)), 32))]
    _parts.clear()
    pa.default_memory_pool().release_unused()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _memory("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        started = time.thread_time()
        _publish(BlockStore(LocalStore(Path(folder))), chunks, 1)
        took = time.thread_time() - started
    print(took, _memory("VmHWM") - before)


def _memory(field: str) -> float:
    """Return a figure of this process in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def _merged(tables: list[SpanTables], at_once: int) -> list[SpanTables]:
    return [merge(tables[at : at + at_once]) for at in range(0, len(tables), at_once)]


if __name__ == "__main__":
    _burst()
