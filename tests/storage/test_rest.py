"""The bound on columns: the rarest attributes move to `rest` and back, and none is lost."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import partial
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.chunk import Chunk
from storage.columns import MAX_ATTRIBUTE_COLUMNS, SpanTables, is_attribute_column
from storage.merge import merge
from storage.rest import bound_columns
from tests.otlp_oracle import Attributes, Span, by_id, tables_to_spans
from tests.storage.builder import tables_of
from tests.storage.strategies import scalars, texts, values
from tests.storage.test_merge import assert_same, cut
from tests.storage.test_nested_sets import a_span

QUICK = settings(deadline=None, max_examples=25)
LIMIT = 2


def few_columns():
    return patch("storage.unite.bound_columns", partial(bound_columns, limit=LIMIT))


def attributes_of(values: st.SearchStrategy) -> st.SearchStrategy[Attributes]:
    pairs = st.tuples(st.sampled_from("abcd"), values)
    return st.lists(pairs, max_size=5).map(lambda found: tuple(sorted(found, key=repr)))


def spans_of(values: st.SearchStrategy) -> st.SearchStrategy[list[Span]]:
    lists = st.lists(attributes_of(values), max_size=8)
    return lists.map(lambda found: [a_span(n, start=1_000 + n, attributes=each) for n, each in enumerate(found)])


def columns_of(tables: SpanTables) -> list[str]:
    return [name for name in tables.spans.column_names if is_attribute_column(name)]


@QUICK
@given(spans_of(values), st.integers(0, 8))
def test_no_attribute_is_lost(sent: list[Span], at: int) -> None:
    with few_columns():
        merged = merge(cut(sent, [at]))
        again = merge([merge([part]) for part in cut(sent, [at])])
    for tables in (merged, again):
        assert by_id(tables_to_spans(tables)) == by_id(sent)
        assert len(columns_of(tables)) <= LIMIT
    assert by_id(tables_to_spans(merge([merged]))) == by_id(sent)


@QUICK
@given(spans_of(scalars | texts.map(lambda t: ("bytes", t.encode()))), st.integers(0, 8), st.randoms())
def test_split_and_order_do_not_matter(sent: list[Span], at: int, shuffle: random.Random) -> None:
    with few_columns():
        once = merge([tables_of(sent)])
        shuffled = list(sent)
        shuffle.shuffle(shuffled)
        assert_same(merge(cut(shuffled, [at])), once)
        assert_same(merge([merge([part]) for part in cut(shuffled, [at])]), once)


@QUICK
@given(spans_of(scalars))
def test_the_most_frequent_have_columns(sent: list[Span]) -> None:
    counts: Counter[str] = Counter()
    for span in sent:
        first = dict(reversed(span.attributes))
        counts.update(f"span.{key}::{value[0]}" for key, value in first.items())
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    with few_columns():
        assert columns_of(merge([tables_of(sent)])) == sorted(ranked[:LIMIT])


def test_what_the_bound_took_comes_back_without_it() -> None:
    sent = [a_span(n, start=1_000 + n, attributes=((f"k{n}", ("int", n)),)) for n in range(5)]
    with few_columns():
        bound = merge([tables_of(sent)])
    assert bound.spans.column("rest").null_count == LIMIT
    assert_same(merge([bound]), merge([tables_of(sent)]))


def test_values_in_rest_are_read_by_key() -> None:
    arrays = (("a", ("array", ("str", "x"), ("str", "y"))), ("b", ("float", "3ff8000000000000")))
    common = (("p", ("int", 1)), ("q", ("int", 2)))
    sent = [a_span(n, start=1_000 + n, attributes=common) for n in range(3)]
    sent.append(a_span(9, start=2_000, attributes=arrays))
    with few_columns():
        chunk = Chunk.seal(merge([tables_of(sent)]), id="c", tenant="t")
    found = chunk.read_rest("spans", "a", 0)
    assert set(found) == {"str[]"}
    strings = found["str[]"]
    assert strings.offsets is not None
    assert strings.offsets.tolist() == [0, 0, 0, 0, 2]
    assert strings.dictionary is not None
    assert [strings.dictionary[code].as_py() for code in strings.data] == ["x", "y"]
    assert chunk.read_rest("spans", "b", 0)["float"].data[3] == 1.5
    assert chunk.read_rest("spans", "p", 0) == {}


def test_a_key_for_every_span_stays_within_the_bound() -> None:
    count = MAX_ATTRIBUTE_COLUMNS + 500
    sent = [a_span(n + 1, start=1_000 + n, attributes=((f"key-{n:05}", ("str", "x")),)) for n in range(count)]
    merged = merge([tables_of(sent[:900]), tables_of([replace(s) for s in sent[900:]])])
    assert len(columns_of(merged)) == MAX_ATTRIBUTE_COLUMNS
    assert len(merged.spans.column("rest").combine_chunks().flatten()) == 500
    assert by_id(tables_to_spans(merged)) == by_id(sent)
