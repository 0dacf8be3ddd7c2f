"""Chunks: what is read is what was sealed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.chunk import Chunk, merge_chunks
from storage.merge import merge
from tests.otlp_oracle import Span, by_id, tables_to_spans
from tests.storage.builder import SPAN, tables_of
from tests.storage.recorded import recorded_tables
from tests.storage.source_contract import assert_described, assert_finds, assert_reads
from tests.storage.strategies import spans
from tests.storage.test_merge import assert_same

QUICK = settings(deadline=None, max_examples=15)


@QUICK
@given(st.lists(spans, max_size=10), st.integers(1, 5))
def test_reads_what_was_sealed(sent: list[Span], unit_spans: int) -> None:
    tables = merge([tables_of(sent)])
    chunk = Chunk.seal(tables, id="c", tenant="t", unit_spans=unit_spans)
    assert_reads(chunk, tables)
    assert_described(chunk, tables)
    assert_finds(chunk, tables)


@pytest.mark.parametrize("name", ["small", "essvt"])
def test_recorded_traces(shared: Path, name: str) -> None:
    tables = recorded_tables(shared, name)
    chunk = Chunk.seal(tables, id="c", tenant="t", unit_spans=500)
    assert len(chunk.meta.units) > 1
    assert_reads(chunk, tables)
    assert_described(chunk, tables)
    assert_finds(chunk, tables)


@QUICK
@given(st.lists(spans, min_size=1, max_size=10), st.data())
def test_takes_whole_traces(sent: list[Span], data: st.DataObject) -> None:
    tables = merge([tables_of(sent)])
    chunk = Chunk.seal(tables, id="c", tenant="t")
    rows = data.draw(st.lists(st.integers(0, chunk.meta.trace_count - 1), unique=True))
    ids = {tables.table("traces").column("trace_id")[row].as_py() for row in rows}
    taken = chunk.take_traces(rows)
    assert by_id(tables_to_spans(taken)) == by_id(span for span in set(sent) if span.trace_id in ids)
    assert_same(taken, merge([taken]))


def test_a_trace_longer_than_a_unit_stays_whole(shared: Path) -> None:
    tables = recorded_tables(shared, "essvt")
    chunk = Chunk.seal(tables, id="c", tenant="t", unit_spans=50)
    assert max(unit.stop_span - unit.first_span for unit in chunk.meta.units) == 456
    assert all(u.stop_span - u.first_span <= 50 or u.stop_trace - u.first_trace == 1 for u in chunk.meta.units)


def test_tables_that_are_not_sorted_are_refused() -> None:
    with pytest.raises(ValueError, match="not sorted"):
        Chunk.seal(tables_of([]), id="c", tenant="t")


@QUICK
@given(st.lists(st.lists(spans, max_size=4), min_size=1, max_size=4))
def test_neighbours_merge(parts: list[list[Span]]) -> None:
    chunks = [
        Chunk.seal(
            merge([tables_of(part)]),
            id=f"{at}",
            tenant="t",
            node="n",
            first_seq=10 * at + 1,
            last_seq=10 * at + 9,
            arrived_ns=(at, at + 1),
        )
        for at, part in enumerate(parts)
    ]
    merged = merge_chunks(chunks)
    assert_same(merged.tables, merge([tables_of([span for part in parts for span in part])]))
    assert (merged.first_seq, merged.last_seq) == (1, 10 * len(parts) - 1)
    assert merged.arrived_ns == (0, len(parts))
    assert (merged.node, merged.tenant) == ("n", "t")
    if len(chunks) > 2:
        assert merge_chunks([merge_chunks(chunks[:2]), *chunks[2:]]).id == merged.id
        assert merge_chunks(chunks[:2]).id != merged.id


def test_arrays_cannot_be_written(shared: Path) -> None:
    chunk = Chunk.seal(recorded_tables(shared, "small"), id="c", tenant="t")
    start = chunk.read("spans", "start", 0)
    assert start is not None
    with pytest.raises(ValueError, match="read-only"):
        start.data[0] = np.int64(0)


def test_rest_holds_what_has_no_column() -> None:
    """The first value of a key counts; arrays are read back from their wire form."""
    value = replace(SPAN, attributes=(("a", ("array", ("int", 1), ("str", "x"))), ("b", ("int", 1)), ("b", ("int", 2))))
    chunk = Chunk.seal(merge([tables_of([value])]), id="c", tenant="t")
    assert chunk.read_rest("spans", "a", 0) == {}
    assert chunk.read_rest("spans", "b", 0)["int"].data.tolist() == [2]
    assert chunk.read_rest("spans", "none", 0) == {}
    assert chunk.meta.rest_keys == {"spans": {"a", "b"}}
    assert [chunk.meta.may_be_in_rest("spans", key) for key in ("a", "c")] == [True, False]
    assert not chunk.meta.may_be_in_rest("events", "a")
