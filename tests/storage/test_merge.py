"""Merging: the same spans in any split and order give the same tables, and no span is lost or doubled."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.columns import SpanTables
from storage.errors import BadColumns
from storage.merge import merge
from tests.otlp_oracle import Event, Span, by_id, tables_to_spans
from tests.storage.builder import SPAN, tables_of
from tests.storage.strategies import spans

#: Rows are made one by one, which is slow where the machine is busy.
QUICK = settings(deadline=None, max_examples=25)
TABLES = ("spans", "traces", "resources", "scopes", "events", "links")


def plain(tables: SpanTables) -> dict[str, tuple[object, ...]]:
    """Return all that tables hold, dictionaries included, so that NaN equals itself."""
    return {
        name: (
            table.schema,
            [c.combine_chunks().dictionary.to_pylist() for c in table.columns if pa.types.is_dictionary(c.type)],
            repr([[v.cast(pa.int64()) if isinstance(v, pa.TimestampScalar) else v for v in c] for c in table.columns]),
        )
        for name in TABLES
        for table in [tables.table(name)]
    }


def assert_same(first: SpanTables, second: SpanTables) -> None:
    for (name, one), other in zip(plain(first).items(), plain(second).values(), strict=True):
        assert one == other, name


def cut(whole: Sequence[Span], cuts: Sequence[int]) -> list[SpanTables]:
    edges = [0, *sorted(c % (len(whole) + 1) for c in cuts), len(whole)]
    return [tables_of(whole[a:b]) for a, b in pairwise(edges)]


@QUICK
@given(st.lists(spans, max_size=12))
def test_no_span_is_lost_or_kept_twice(sent: list[Span]) -> None:
    assert by_id(tables_to_spans(merge([tables_of(sent)]))) == by_id(set(sent))


@QUICK
@given(st.lists(spans, max_size=10), st.lists(st.integers(0, 10), max_size=3), st.randoms(use_true_random=False))
def test_split_and_order_do_not_matter(sent: list[Span], cuts: list[int], shuffle: random.Random) -> None:
    once = merge([tables_of(sent)])
    shuffled = [*sent, *sent[:3]]
    shuffle.shuffle(shuffled)
    assert_same(merge(cut(shuffled, cuts)), once)


@QUICK
@given(st.lists(spans, max_size=10), st.integers(0, 10))
def test_merging_what_is_merged_changes_nothing(sent: list[Span], at: int) -> None:
    once = merge([tables_of(sent)])
    assert_same(merge([once]), once)
    halves = [merge([part]) for part in cut(sent, [at])]
    assert_same(merge([*halves, *halves]), once)


def with_column(tables: SpanTables, name: str, values: object) -> SpanTables:
    at = tables.spans.column_names.index(name)
    return replace(tables, spans=tables.spans.set_column(at, name, values))


def test_tables_that_do_not_hold_together_are_refused() -> None:
    good = tables_of([SPAN, replace(SPAN, kind=2)])
    codes = pa.DictionaryArray.from_arrays(pa.array([0, 7], pa.int32()), pa.array(["a"]), safe=False)
    bad = {
        "points outside resources": with_column(good, "resource", pa.array([0, 1], pa.uint32())),
        "points outside spans": replace(good, events=EVENTS.set_column(0, "span", pa.array([2], pa.uint32()))),
        "lack the columns kind": replace(good, spans=good.spans.drop_columns(["kind"])),
        "is of type string": with_column(good, "name", pa.array(["a", "b"])),
        "must not hold nulls": with_column(good, "name", pa.array(["a", None]).dictionary_encode()),
        "outside its dictionary": with_column(good, "name", codes),
    }
    for what, tables in bad.items():
        with pytest.raises(BadColumns, match=what):
            merge([tables])


EVENTS = tables_of([replace(SPAN, events=(Event(1, "e", (), 0),))]).events


def test_many_spans_of_one_id_are_told_apart_by_content() -> None:
    """What shares trace, id, kind and start is sorted at once: no pair of spans is compared twice."""
    count = 20_000
    template = tables_of([SPAN]).spans
    same = pa.concat_tables([template] * count).combine_chunks()
    flags = pa.array([n // 2 for n in range(count)], pa.uint32())
    at = same.column_names.index("flags")
    tables = replace(tables_of([SPAN]), spans=same.set_column(at, "flags", flags))
    merged = merge([tables])
    assert merged.spans.column("flags").to_pylist() == list(range(count // 2))
    assert merged.table("traces").column("span_count").to_pylist() == [count // 2]
