"""Veiled sources: what is read is what a source without the hidden traces holds."""

from __future__ import annotations

import pickle
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.chunk import Chunk
from storage.columns import REST_FIELD, ScanSource, SpanTables, TableName, is_attribute_column
from storage.hidden import NOTHING_HIDDEN, HiddenTraces
from storage.merge import merge
from storage.pick import pick_traces
from storage.veil import Veiled, unveiled, veil
from tests.otlp_oracle import Span, by_id, tables_to_spans
from tests.storage.builder import tables_of
from tests.storage.recorded import recorded_tables
from tests.storage.source_contract import (
    assert_finds,
    assert_rest,
    assert_services,
    native,
    plain,
    rows_of_unit,
)
from tests.storage.strategies import spans

QUICK = settings(deadline=None, max_examples=8)
OWNED: tuple[TableName, ...] = ("spans", "traces", "events", "links")


def chunk_of(tables: SpanTables, unit_spans: int) -> Chunk:
    return Chunk.seal(tables, id=uuid.uuid4().hex, tenant="t", unit_spans=unit_spans)


def hiding(tables: SpanTables, rows: list[int]) -> HiddenTraces:
    """Return some traces as hidden ones, with one that is nowhere."""
    ids = [tables.table("traces").column("trace_id")[row].as_py() for row in rows]
    joined = b"".join([*ids, b"\xee" * 16])
    return HiddenTraces(np.unique(np.frombuffer(joined, np.uint8).reshape(-1, 16), axis=0), uuid.uuid4().hex)


def assert_without(source: ScanSource, tables: SpanTables, kept: list[int]) -> None:
    """Assert that a source reads as the kept traces of tables."""
    left = pick_traces(tables, kept)
    assert (source.meta.span_count, source.meta.trace_count) == (left.spans.num_rows, len(kept))
    assert_finds(source, left)
    for unit in range(len(source.meta.units)):
        for table in OWNED:
            _assert_columns(source, left, table, unit)
        for table in ("resources", "scopes"):
            _assert_shared(source, left, table, unit)
    taken = source.take_traces(list(range(len(kept))))
    assert sorted(map(repr, tables_to_spans(taken))) == sorted(map(repr, tables_to_spans(left)))


def _assert_columns(source: ScanSource, left: SpanTables, table: TableName, unit: int) -> None:
    rows = rows_of_unit(source, left, table, unit)
    for name in set(rows.column_names) - {"resource", "scope"}:
        if name == "services":
            assert_services(source, rows.column(name), unit)
        elif name == REST_FIELD.name:
            assert_rest(source, table, rows.column(name), unit)
        else:
            column = source.read(table, name, unit)
            assert column is not None, name
            expected = [int(v) if isinstance(v, bool) else v for v in plain(rows.column(name))]
            assert str(native(column)) == str(expected).replace("True", "1").replace("False", "0"), name


def _assert_shared(source: ScanSource, left: SpanTables, table: TableName, unit: int) -> None:
    """Assert what spans get by their numbers, and that no other value of an attribute is there."""
    numbers = source.read("spans", table.removesuffix("s"), unit)
    expected = rows_of_unit(source, left, "spans", unit).column(table.removesuffix("s")).to_pylist()
    assert numbers is not None
    for name in filter(is_attribute_column, left.table(table).column_names):
        column = source.read(table, name, unit)
        assert column is not None
        found, wanted = native(column), left.table(table).column(name).to_pylist()
        assert repr([found[n] for n in numbers.data]) == repr([_plain(wanted[n]) for n in expected])
        assert {repr(value) for value in found} <= {"None", *(repr(_plain(value)) for value in wanted)}


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, bool) else value


@QUICK
@given(st.lists(spans, min_size=2, max_size=10), st.integers(1, 5), st.data())
def test_reads_what_is_left(sent: list[Span], unit_spans: int, data: st.DataObject) -> None:
    tables = merge([tables_of(sent)])
    traces = list(range(tables.table("traces").num_rows))
    gone = data.draw(st.lists(st.sampled_from(traces), unique=True))
    chunk = chunk_of(tables, unit_spans)
    seen = veil(chunk, hiding(tables, gone))
    kept = [row for row in traces if row not in gone]
    if not kept:
        assert seen is None
        return
    assert seen is not None
    assert unveiled(seen) is chunk
    assert (seen is chunk) == (not gone)
    assert_without(seen, tables, kept)
    ids = {tables.table("traces").column("trace_id")[row].as_py() for row in kept}
    whole = seen.take_traces(range(seen.meta.trace_count))
    assert by_id(tables_to_spans(whole)) == by_id(span for span in set(sent) if span.trace_id in ids)


@pytest.mark.parametrize("name", ["small", "essvt"])
def test_recorded_traces(shared: Path, name: str) -> None:
    tables = recorded_tables(shared, name)
    traces = list(range(tables.table("traces").num_rows))
    gone = [0, *traces[3:9], *traces[10::3]]
    seen = veil(chunk_of(tables, 500), hiding(tables, gone))
    assert isinstance(seen, Veiled)
    assert_without(seen, tables, [row for row in traces if row not in gone])


def test_it_travels(shared: Path) -> None:
    tables = recorded_tables(shared, "small")
    seen = veil(chunk_of(tables, 500), hiding(tables, [1]))
    assert seen is not None
    again = pickle.loads(pickle.dumps(seen))
    assert again.meta == seen.meta
    assert again.sorted_trace_ids().tobytes() == seen.sorted_trace_ids().tobytes()


def test_nothing_hidden_is_the_source_itself(shared: Path) -> None:
    chunk = chunk_of(recorded_tables(shared, "small"), 500)
    assert veil(chunk, NOTHING_HIDDEN) is chunk
