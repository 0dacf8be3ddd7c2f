"""Split traces: however spans are spread over sources, what is stitched and what is left is every trace, whole."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.block.files import MemoryFiles
from storage.block.reader import Block
from storage.block.writer import Origin, write_block
from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.merge import merge
from storage.shared_traces import shared_rows
from storage.stitch import Stitching, stitch
from tests.otlp_oracle import Span, by_id, tables_to_spans
from tests.storage.builder import tables_of
from tests.storage.strategies import tree_spans
from tests.storage.test_merge import assert_same
from tests.storage.test_nested_sets import a_span

#: No two sources of these tests have the same id, since results are remembered by it.
IDS = itertools.count()


def source_of(spans: list[Span], *, in_block: bool = False) -> ScanSource:
    tables = merge([tables_of(spans)])
    source_id = f"s{next(IDS)}"
    if not in_block:
        return Chunk.seal(tables, id=source_id, tenant="t")
    encoded = write_block(tables, Origin(source_id, "t"), unit_spans=3)
    return Block.open(encoded.meta, MemoryFiles(encoded.files))


def left_in(source: ScanSource, stitching: Stitching) -> list[int]:
    excluded = stitching.excluded.get(source.meta.id, np.zeros(0, np.int64))
    assert excluded.tolist() == sorted(set(excluded.tolist()))
    return sorted(set(range(source.meta.trace_count)) - set(excluded.tolist()))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(tree_spans, st.integers(0, 3)), max_size=14), st.booleans())
def test_every_trace_is_whole_in_one_source(spread: list[tuple[Span, int]], in_block: bool) -> None:
    parts = [[span for span, at in spread if at == n] for n in range(4)]
    sources = [source_of(part, in_block=in_block and n % 2 == 0) for n, part in enumerate(parts)]
    stitching = stitch(sources)
    pieces = [source.take_traces(left_in(source, stitching)) for source in sources]
    pieces += [source.take_traces(left_in(source, stitching)) for source in stitching.sources]
    whole = merge([tables_of([span for span, _ in spread])])
    traces = [trace for piece in pieces for trace in piece.table("traces").column("trace_id").to_pylist()]
    assert sorted(traces) == sorted(whole.table("traces").column("trace_id").to_pylist())
    assert sorted(by_id(s for p in pieces for s in tables_to_spans(p)), key=repr) == sorted(
        tables_to_spans(whole), key=repr
    )
    assert_same(merge(pieces), whole)


def test_nothing_split_is_nothing_stitched() -> None:
    sources = [source_of([a_span(1)]), source_of([])]
    stitching = stitch(sources)
    assert not stitching.sources
    assert not stitching.excluded
    assert not stitch([]).sources


def test_a_span_in_two_sources_counts_once() -> None:
    stitching = stitch([source_of([a_span(1), a_span(2, parent=1)]), source_of([a_span(2, parent=1)])])
    (stitched,) = stitching.sources
    assert stitched.meta.span_count == 2


def test_what_was_stitched_is_remembered() -> None:
    sources = [source_of([a_span(1)]), source_of([a_span(2, parent=1)])]
    (first,) = stitch(sources).sources
    assert stitch(sources).sources[0] is first
    (other,) = stitch([*sources, source_of([a_span(3, parent=2)])]).sources
    assert other.meta.span_count == 3
    assert other.meta.id != first.meta.id


def test_live_spans_leave_alone_what_blocks_make() -> None:
    def of_trace(number: int, span: Span) -> Span:
        return Span(**{f: getattr(span, f) for f in Span.__slots__} | {"trace_id": number.to_bytes(16)})

    blocks = [source_of([of_trace(n, a_span(part)) for n in (1, 2)], in_block=True) for part in (1, 2)]
    before = stitch(blocks)
    live = source_of([of_trace(2, a_span(3)), of_trace(3, a_span(4))])
    after = stitch([*blocks, live])
    assert after.sources[0] is before.sources[0]
    assert after.sources[1].meta.span_count == 3
    assert len(after.excluded[after.sources[0].meta.id]) == 1
    assert {source.meta.id: len(after.excluded[source.meta.id]) for source in blocks} == {b.meta.id: 2 for b in blocks}


def test_few_ids_are_looked_up_in_many() -> None:
    many = [a_span(1, start=1_000 + n) for n in range(200)]
    many = [
        Span(**{f: getattr(s, f) for f in Span.__slots__} | {"trace_id": n.to_bytes(16)}) for n, s in enumerate(many)
    ]
    few = [s for s in many if s.trace_id[-1] in {7, 150}]
    few = [Span(**{f: getattr(s, f) for f in Span.__slots__} | {"span_id": b"\x09" * 8}) for s in few]
    stitching = stitch([source_of(many), source_of(few)])
    assert sorted(map(len, stitching.excluded.values())) == [2, 2]
    (stitched,) = stitching.sources
    assert stitched.meta.span_count == 4


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(tree_spans, st.integers(0, 3)), max_size=14))
def test_all_at_once_finds_what_pairs_find(spread: list[tuple[Span, int]]) -> None:
    sources = [source_of([span for span, at in spread if at == n]) for n in range(4)]
    at_once, by_pairs = shared_rows(sources), stitch(sources).excluded
    assert {source: rows.tolist() for source, rows in at_once.items()} == {
        source: rows.tolist() for source, rows in by_pairs.items()
    }


def test_many_sources_are_stitched_at_once() -> None:
    tables = [merge([tables_of([a_span(n + 1)])]) for n in range(2)]
    sources = [Chunk.seal(tables[n == 170], id=f"s{next(IDS)}", tenant="t") for n in range(200)]
    stitching = stitch(sources)
    (stitched,) = stitching.sources
    assert stitched.meta.span_count == 2
    assert {source: rows.tolist() for source, rows in stitching.excluded.items()} == {s.meta.id: [0] for s in sources}
