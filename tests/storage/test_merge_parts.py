"""Merging part by part gives what merging at once gives, and a block written part by part is the block of all spans."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.block.files import MemoryFiles
from storage.block.parts import write_parts
from storage.block.reader import Block
from storage.block.writer import EncodedBlock, Origin
from storage.block_format import ParquetFormat
from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.errors import BadColumns
from storage.merge import merge
from storage.merge_parts import choose_columns, merge_parts
from tests.otlp_oracle import Span, tables_to_spans
from tests.storage.builder import SPAN, tables_of
from tests.storage.recorded import recorded_tables
from tests.storage.source_contract import assert_described, assert_finds, assert_reads
from tests.storage.strategies import spans
from tests.storage.test_merge import assert_same

QUICK = settings(deadline=None, max_examples=10)
ORIGIN = Origin("b", "t", arrived_ns=(5, 2**62))
IDS = itertools.count()


def source_of(sent: list[Span], *, in_block: bool = False) -> ScanSource:
    chunk = Chunk.seal(merge([tables_of(sent)]), id=f"c{next(IDS)}", tenant="t")
    return opened(ParquetFormat(3).write([chunk], ORIGIN)) if in_block and sent else chunk


def opened(encoded: EncodedBlock) -> Block:
    return Block.open(encoded.meta, MemoryFiles(encoded.files))


batches = st.lists(st.tuples(st.lists(spans, max_size=5), st.booleans()), min_size=1, max_size=4)


@QUICK
@given(batches, st.integers(1, 6))
def test_a_block_of_parts_is_the_block_of_all(sent: Sequence[tuple[list[Span], bool]], unit_spans: int) -> None:
    sources = [source_of(batch, in_block=in_block) for batch, in_block in sent]
    at_once = merge([tables_of([span for batch, _ in sent for span in batch])])
    assert tables_to_spans(merge(list(merge_parts(sources, unit_spans)))) == tables_to_spans(at_once)
    if not at_once.spans.num_rows:
        return
    block = opened(ParquetFormat(unit_spans).write(sources, ORIGIN))
    assert_reads(block, at_once)
    assert_described(block, at_once)
    assert_finds(block, at_once)
    assert_same(block.take_traces(range(block.meta.trace_count)), at_once)
    assert all(unit.stop_span - unit.first_span <= unit_spans or _is_one_trace(unit) for unit in block.meta.units)


def _is_one_trace(unit) -> bool:
    return unit.stop_trace - unit.first_trace == 1


@pytest.mark.slow
def test_recorded_traces_in_two_blocks(shared: Path) -> None:
    tables = recorded_tables(shared, "small")
    whole = Chunk.seal(tables, id="whole", tenant="t")
    count = whole.meta.trace_count
    halves = [Chunk.seal(whole.take_traces(range(n, count, 2)), id=f"half{n}", tenant="t") for n in range(2)]
    blocks = [opened(ParquetFormat(500).write([half, whole], ORIGIN)) for half in halves]
    block = opened(ParquetFormat(700).write(blocks, ORIGIN))
    assert len(block.meta.units) > 1
    assert_reads(block, tables)
    assert_described(block, tables)
    assert_finds(block, tables)


def test_columns_are_chosen_once_for_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is rare among all spans has no column in any part, also where a part has none but rare ones."""
    chosen = choose_columns([source_of(keyed(n)).meta for n in range(3)], limit=2)
    assert chosen["spans"] == {"span.common::int", "span.k0::int"}
    monkeypatch.setattr("storage.merge_parts.choose_columns", lambda metas: choose_columns(metas, 2))
    monkeypatch.setattr("storage.block_format.choose_columns", lambda metas: choose_columns(metas, 2))
    sources = [source_of(keyed(n)) for n in range(3)]
    block = opened(ParquetFormat(1).write(sources, ORIGIN))
    assert set(block.meta.columns) == {"span.common::int", "span.k0::int"}
    assert block.meta.rest_keys == {"spans": {"k1", "k2"}}
    found = tables_to_spans(block.take_traces(range(block.meta.trace_count)))
    assert found == tables_to_spans(merge([tables_of([s for n in range(3) for s in keyed(n)])]))


def keyed(n: int) -> list[Span]:
    """Return a span of one trace with a key that all have and one that others lack."""
    return [
        replace(
            SPAN,
            trace_id=bytes(15) + bytes([n + 1]),
            start=n,
            end=n + 1,
            attributes=(("common", ("int", n)), (f"k{n}", ("int", n))),
        )
    ]


def test_a_column_that_nobody_announced_is_refused() -> None:
    with pytest.raises(BadColumns, match=r"span\.common::int.* were not said beforehand"):
        write_parts([merge([tables_of(keyed(1))])], {}, frozenset(), ORIGIN)
