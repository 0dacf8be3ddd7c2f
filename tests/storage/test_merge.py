"""Merging: the same spans in any split and order give the same tables, and no span is lost or doubled."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.columns import SpanTables
from storage.merge import merge
from tests.otlp_oracle import Span, by_id, tables_to_spans
from tests.storage.builder import tables_of
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
