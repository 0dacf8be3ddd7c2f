"""Simplifying keeps the meaning: the oracle finds the same with the simple query as with the given one."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings

from tests.oracle import EvaluationError, search
from tests.oracle_fields import At, evaluate
from tests.oracle_spans import Span, Trace
from tests.oracle_worlds import conditions, traces
from traceql import Query, conditions_of, format_query, parse, simplify, validate
from traceql.ast import BinaryOperation, FieldExpression, Pipeline, SpansetFilter

QUICK = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def filtering(expression: FieldExpression) -> Query:
    query = Query(Pipeline((SpansetFilter(expression),)))
    assume(validate(query) == ())
    return query


def outcome(query: Query, trace: list[Span]) -> object:
    """What the search finds, or that it fails."""
    try:
        return {trace_id: found.spansets for trace_id, found in search(query, trace).items()}
    except EvaluationError:
        return "fails"


@QUICK
@given(conditions, traces())
def test_simplified_query_finds_the_same(expression: FieldExpression, trace: list[Span]) -> None:
    query = filtering(expression)
    assert outcome(simplify(query), trace) == outcome(query, trace)


@QUICK
@given(conditions, traces())
def test_printed_query_finds_the_same(expression: FieldExpression, trace: list[Span]) -> None:
    query = filtering(expression)
    assert outcome(parse(format_query(query)), trace) == outcome(query, trace)


@QUICK
@given(conditions, traces())
def test_spans_that_fail_a_condition_may_be_skipped(expression: FieldExpression, trace: list[Span]) -> None:
    query = filtering(expression)
    asked = conditions_of(simplify(query))
    assume(asked.all_must_hold)
    found = outcome(query, trace)
    assume(found != "fails")
    matching = {place for spansets in found.values() for spanset in spansets for place in spanset.places}
    for condition in asked.conditions:
        if condition.op is not None and condition.value is not None:
            test = BinaryOperation(condition.op, condition.attribute, condition.value)
            holding = {place for place in range(len(trace)) if evaluate(test, At(Trace(tuple(trace)), place)).value}
            assert matching <= holding


@pytest.mark.parametrize(
    ("given", "simple"),
    [
        ("{ 1 + 1 = 2 }", "{ }"),
        ("{ 2 > 3 }", "{ false }"),
        ("{ duration > 2 * 500 }", "{ duration > 1000 }"),
        ("{ duration > 1s + 500ms }", "{ duration > 1.5s }"),
        ("{ 4 < .a }", "{ .a > 4 }"),
        ("{ 4 >= .a }", "{ .a <= 4 }"),
        ('{ "x" = .a }', '{ .a = "x" }'),
        ("{ nil != .a }", "{ .a != nil }"),
        ('{ "x" =~ "y" }', '{ "x" =~ "y" }'),
        ("{ .a && true }", "{ .a }"),
        ("{ true && .a && .b }", "{ .a && .b }"),
        ("{ (.a && true) || .b }", "{ .a || .b }"),
        ("{ (.a && true) = false }", "{ (.a && true) = false }"),
        ("{ (.a = 1 && true) = false }", "{ (.a = 1) = false }"),
        ("{ .a = 1 && false && .b }", "{ false }"),
        ("{ .a || true }", "{ }"),
        ("{ !.a && false }", "{ !.a && false }"),
        ("{ false && !.a }", "{ false }"),
        ("{ .a && (.b && .c) }", "{ .a && .b && .c }"),
        ("{ .a || (.b && .c) }", "{ .a || (.b && .c) }"),
        ("{ .a && .b && .a }", "{ .a && .b }"),
        ("{ event.a = 1 && (event.b = 2 || false) }", "{ event.a = 1 && (event.b = 2 || false) }"),
        ("{ !true }", "{ false }"),
        ("{ -(-.a) = 1 }", "{ --.a = 1 }"),
        ("{ 0 ^ -1 = .a }", "{ 0 ^ (-1) = .a }"),
        ("{ 2 ^ -1 = .a }", "{ .a = 0 }"),
        ("{ 1.0 / 0 > .a }", "{ 1.0 / 0 > .a }"),
        ("{ 7 % -3 = .a && -7 / 2 = .b }", "{ .a = 1 && .b = -3 }"),
        ("{ 9223372036854775807 + 1 = .a }", "{ .a = minInt }"),
        ("{ } | by(1 + 1 + .a)", "{ } | by(2 + .a)"),
        ("{ } | rate() | topk(3)", "{ } | rate() | topk(3)"),
        ("{ .a } | compare({ 1 < .b })", "{ .a } | compare({ .b > 1 })"),
    ],
)
def test_simplify(given: str, simple: str) -> None:
    assert format_query(simplify(parse(given))) == simple
