"""What an executor must read to answer a query, and which spans it may leave out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traceql.ast import (
    Attribute,
    AttributeReference,
    BinaryOperation,
    Compare,
    FieldExpression,
    Intrinsic,
    LogicalChain,
    MetricsArithmetic,
    Node,
    Pipeline,
    Query,
    ScalarFilter,
    SpansetChain,
    SpansetFilter,
    SpansetOperation,
    Stage,
    Static,
)
from traceql.ast.walk import children, walk
from traceql.operators import BinaryOperator, LogicalOperator


@dataclass(frozen=True, slots=True)
class Condition:
    """`attribute op value`; without operator the attribute's value is wanted whatever it is.

    A constant that stood on the left has been turned to the right. A test for nil has a nil static.
    """

    attribute: AttributeReference
    op: BinaryOperator | None = None
    value: Static | None = None


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a query, in order of appearance, none twice; each attribute of the query is in at least one.

    When `all_must_hold`, a span that fails any condition that has an operator is in no result, nor does it count for
    one, so executors may skip it. Otherwise the conditions only say what to read. `attributes` are all that the query
    mentions, in order of appearance: what its results show.
    """

    conditions: tuple[Condition, ...]
    all_must_hold: bool
    attributes: tuple[AttributeReference, ...]


def conditions_of(query: Query) -> Conditions:
    """What the query, simplified or not, asks of spans."""
    return Conditions(
        conditions=tuple(dict.fromkeys(_conditions(query))),
        all_must_hold=_must_hold(query),
        attributes=tuple(dict.fromkeys(_mentioned(query))),
    )


def _mentioned(node: Node) -> Iterator[AttributeReference]:
    return (part for part in walk(node) if isinstance(part, Attribute | Intrinsic))


def _conditions(node: Node) -> Iterator[Condition]:
    """Comparisons with constants where they stand alone, in chains or in spansets; of all else the attributes."""
    match node:
        case BinaryOperation(op=op, lhs=Attribute() | Intrinsic() as lhs, rhs=Static() as rhs) if op.is_comparison:
            yield Condition(lhs, op, rhs)
        case BinaryOperation(op=op, lhs=Static() as lhs, rhs=Attribute() | Intrinsic() as rhs) if _is_turnable(op):
            yield Condition(rhs, op.turned, lhs)
        case LogicalChain() | SpansetFilter() | SpansetOperation() | SpansetChain() | Pipeline():
            for child in children(node):
                yield from _conditions(child)
        case Compare():
            yield from map(Condition, _mentioned(node))
        case _ if isinstance(node, FieldExpression):
            yield from map(Condition, _mentioned(node))
        case _:
            for child in children(node):
                yield from _conditions(child)


def _is_turnable(op: BinaryOperator) -> bool:
    return op.is_comparison and not op.is_regex


def _must_hold(query: Query) -> bool:
    """Whether every filter is free of `||` and comes before anything that counts spans."""
    if isinstance(query.root, MetricsArithmetic):
        return False
    pipeline = query.root if isinstance(query.root, Pipeline) else query.root.pipeline
    return all(map(_narrows, _until_last_filter(pipeline.stages)))


def _until_last_filter(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    last = max((place for place, stage in enumerate(stages) if isinstance(stage, _FILTERS)), default=-1)
    return stages[: last + 1]


_FILTERS = (SpansetFilter, SpansetOperation, SpansetChain)


def _narrows(stage: Stage) -> bool:
    match stage:
        case SpansetFilter(expression=expression):
            return not any(
                isinstance(part, LogicalChain) and part.op is LogicalOperator.OR for part in walk(expression)
            )
        case SpansetOperation() | SpansetChain() | ScalarFilter():
            return False
        case _:
            return True
