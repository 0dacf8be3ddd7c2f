"""Laws that hold for every query."""

from __future__ import annotations

import pickle
import re

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.traceql.corpus import read_corpus
from tests.traceql.strategies import braces, queries
from traceql import (
    ParseError,
    Query,
    TraceQLError,
    advise,
    conditions_of,
    format_query,
    matchers_of,
    parse,
    shown,
    simplify,
    validate,
)
from traceql.ast import Pipeline, SpansetFilter
from traceql.ast.fields import FieldExpression
from traceql.ast.walk import walk
from traceql.command import check


def refused(text: str) -> TraceQLError | None:
    try:
        parse(text)
    except TraceQLError as error:
        return error
    return None


QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CORPUS = [case.query for case in read_corpus()]
PIECES = sorted({piece for query in CORPUS for piece in re.findall(r"\w+|[^\w\s]+|\s", query)})


def reparsed(query: Query) -> Query:
    """The query's text, read; division by zero among constants is all that may be refused."""
    try:
        return parse(format_query(query))
    except ParseError as error:
        assume("integer divide by zero" not in error.message)
        raise


@QUICK
@given(queries)
def test_parse_undoes_format(query: Query) -> None:
    assert reparsed(query) == query


@QUICK
@given(queries)
def test_format_is_idempotent(query: Query) -> None:
    text = format_query(query)
    assert format_query(reparsed(query)) == text


@QUICK
@given(braces)
def test_what_errors_show_reads_back(node: SpansetFilter) -> None:
    query = Query(Pipeline((node,)))
    reparsed(query)
    assert parse(shown(node)) == query


@QUICK
@given(queries)
def test_positions_hold_the_text_of_their_node(query: Query) -> None:
    text = format_query(query)
    for node in walk(reparsed(query)):
        if isinstance(node, FieldExpression) and node.position.end and format_query(node) != "nil":
            piece = text[node.position.start : node.position.end]
            if piece != "{ }":
                assert parse(f"{{ {piece} }}") == Query(Pipeline((SpansetFilter(node),)))


@QUICK
@given(queries)
def test_trees_survive_a_journey(query: Query) -> None:
    other = pickle.loads(pickle.dumps(query))
    assert other == query
    assert hash(other) == hash(query)
    assert repr(other) == repr(query)


@QUICK
@given(queries)
def test_every_tree_is_judged_simplified_and_asked(query: Query) -> None:
    validate(query)
    try:
        simple = simplify(query)
    except ParseError as error:
        assume("integer divide by zero" not in error.message)
        raise
    assert simplify(simple) == simple
    assert set(conditions_of(simple).attributes) <= set(conditions_of(query).attributes)


@QUICK
@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=15).map("".join))
def test_any_text_is_a_query_or_a_trace_ql_error(text: str) -> None:
    matchers_of(text)
    report = check(text)
    refusal = refused(text)
    if refusal is None:
        assert (report == "") == (validate(parse(text)) == ())
    else:
        assert str(refusal).startswith(("parse error", "scalar filter"))
        assert advise(text, refusal) == report


@QUICK
@given(st.sampled_from(CORPUS), st.data())
def test_any_part_of_a_query_is_a_query_or_a_trace_ql_error(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(cut, len(text)))
    for part in (text[:cut], text[cut:], text[:cut] + text[end:]):
        matchers_of(part)
        check(part)
