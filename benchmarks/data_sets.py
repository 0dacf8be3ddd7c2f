"""Blocks that benchmarks ask questions of: many spans made from fewer, written once and kept for the next run.

Copies of spans have ids and times of their own, so that a block of millions is made in a minute or two. Blocks are kept
in a folder `tempo_dask-benchmarks` of the system's temporary folder; remove it to have them made anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.arrays import single_chunk
from storage.block.files import StoredFiles
from storage.block.meta import DESCRIPTION, FORMAT_VERSION, BlockMeta
from storage.block.presence import STRIPE_ROWS
from storage.block.reader import Block
from storage.block.writer import ROW_GROUP_SPANS, Origin, write_block
from storage.columns import SpanTables
from storage.local_objects import LocalStore
from storage.merge import merge
from tempo_dask.demo.shop import generate
from tempo_dask.kernels.otlp import decode
from tempo_dask.recorded import read_requests

KEPT = Path(tempfile.gettempdir()) / "tempo_dask-benchmarks"
END_NS = 1_767_229_200 * 10**9
HOUR_NS = 3_600 * 10**9
#: So many spans are made up one by one; of more, the others are copies.
ORIGINALS = 1_000_000


def made_up(spans: int, end_ns: int = END_NS, length_ns: int = HOUR_NS) -> Block:
    """Return a block of spans of a made-up shop, spread over the time before `end_ns`."""
    name = f"shop-{spans}-{end_ns // 10**9}-{length_ns // 10**9}"
    return _kept(name, lambda: _made_up(spans, end_ns, length_ns))


def copied(files: Sequence[Path], spans: int, series: int = 0) -> Block:
    """Return a block of copies of recorded spans, as many as are wanted; the recordings begin together.

    Blocks of different `series` have no trace in common.
    """
    name = f"recorded-{spans}-{'-'.join(file.name.partition('.')[0] for file in files)}"
    name += f"-{series}" if series else ""
    return _kept(name, lambda: _copies([_decoded(file) for file in files], spans, series << 16))


def folder_of(block: Block) -> Path:
    """Return where the files of a block lie."""
    return KEPT / block.meta.id


def _kept(name: str, make: Callable[[], Iterable[SpanTables]]) -> Block:
    """Return the block of this name, written where it is not there; its description is written last."""
    store, name = LocalStore(KEPT), f"{name}-v{FORMAT_VERSION}-{ROW_GROUP_SPANS}-{STRIPE_ROWS}"
    if not (KEPT / name / DESCRIPTION).exists():
        encoded = write_block(merge(list(make())), Origin(name, "bench"))
        for file in sorted(encoded.files, key=DESCRIPTION.__eq__):
            store.put(f"{name}/{file}", memoryview(encoded.files[file]))
    return Block.open(BlockMeta.decode((KEPT / name / DESCRIPTION).read_bytes()), StoredFiles(store, name))


def _made_up(spans: int, end_ns: int, length_ns: int) -> Iterator[SpanTables]:
    copies = -(-spans // ORIGINALS)
    part_ns = length_ns // copies
    originals = decode(
        list(generate(spans // copies, end_ns=end_ns, span_of_time_ns=part_ns, seed=end_ns // 10**9 % 997))
    )
    yield from (_copy(originals, number, -number * part_ns) for number in range(copies))


def _decoded(file: Path) -> SpanTables:
    return decode([request.body for request in read_requests(file)])


def _copies(recordings: Sequence[SpanTables], spans: int, first_number: int) -> Iterator[SpanTables]:
    made = turn = 0
    while made < spans:
        for tables in recordings:
            began_ns = pc.min(tables.spans.column("start")).value
            yield _copy(tables, first_number + turn, END_NS + (turn - 24) * HOUR_NS - began_ns)
            made += tables.spans.num_rows
        turn += 1


def _copy(tables: SpanTables, number: int, by_ns: int) -> SpanTables:
    """Return the spans under other trace ids and so much later."""
    spans = tables.spans
    ids = np.frombuffer(single_chunk(spans.column("trace_id")).buffers()[1] or b"", np.uint8).reshape(-1, 16).copy()
    ids[:, :4] ^= np.frombuffer(number.to_bytes(4, "big"), np.uint8)
    fresh = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(ids), [None, pa.py_buffer(ids)])
    spans = spans.set_column(spans.column_names.index("trace_id"), "trace_id", fresh)
    return replace(tables, spans=_moved(spans, "start", by_ns), events=_moved(tables.events, "time", by_ns))


def _moved(table: pa.Table, name: str, by_ns: int) -> pa.Table:
    times = pc.add(table.column(name), pa.scalar(by_ns, pa.duration("ns")))
    return table.set_column(table.column_names.index(name), table.schema.field(name), times)
