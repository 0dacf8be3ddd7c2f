"""A slow, obvious evaluation of TraceQL searches over plain Python spans: what every engine, rule and kernel must
agree with.

Each function is a sentence of the language's semantics. Spans are in oracle_spans.py, expressions in oracle_fields.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.oracle_fields import At, evaluate, holds
from tests.oracle_spans import Span, Trace, traces_of
from tests.oracle_values import ABSENT, FALSE, EvaluationError, compare
from traceql.ast import (
    Aggregate,
    Attribute,
    Coalesce,
    FieldExpression,
    GroupBy,
    Intrinsic,
    MetricsQuery,
    Node,
    Pipeline,
    Query,
    ScalarFilter,
    Select,
    SpansetChain,
    SpansetExpression,
    SpansetFilter,
    SpansetOperation,
    Static,
)
from traceql.format import shown
from traceql.operators import AggregateFunction, LogicalOperator
from traceql.types import StaticType


@dataclass(frozen=True)
class Spanset:
    """Spans by their places in the trace, and the set's own attributes."""

    places: tuple[int, ...]
    attributes: tuple[tuple[str, Static], ...] = ()


@dataclass(frozen=True)
class Found:
    """A trace that matches, and its spansets."""

    trace: Trace
    spansets: tuple[Spanset, ...]


def search(query: Query, spans: Sequence[Span]) -> dict[str, Found]:
    """The traces that a valid search (or the search before the metrics of a metrics query) finds, by id."""
    pipeline = query.root.pipeline if isinstance(query.root, MetricsQuery) else query.root
    assert isinstance(pipeline, Pipeline)
    found = {}
    for trace_id, trace in traces_of(spans).items():
        spansets = run(pipeline, trace, [Spanset(tuple(range(len(trace.spans))))])
        if spansets:
            found[trace_id] = Found(trace, tuple(spansets))
    return found


# ---- pipelines ----


def run(stage: Node, trace: Trace, spansets: list[Spanset]) -> list[Spanset]:
    """The spansets that a stage makes of others; empty ones are dropped."""
    match stage:
        case Pipeline(stages=stages):
            for each in stages:
                spansets = run(each, trace, spansets)
            return spansets
        case SpansetFilter() | ScalarFilter() | GroupBy():
            return [new for old in spansets for new in _of_one(stage, trace, old) if new.places]
        case SpansetChain() | SpansetOperation():
            return [new for old in spansets for new in _combined(stage, trace, old) if new.places]
        case Coalesce():
            return [_union(spansets)] if spansets else []
        case Select():
            return spansets
    raise TypeError(stage)


def _of_one(stage: Node, trace: Trace, spanset: Spanset) -> list[Spanset]:
    match stage:
        case SpansetFilter(expression=expression):
            kept = (place for place in spanset.places if holds(expression, At(trace, place)))
            return [replace(spanset, places=tuple(kept))]
        case GroupBy(expression=expression):
            groups: dict[Static, list[int]] = {}
            for place in spanset.places:
                groups.setdefault(group_value(expression, At(trace, place)), []).append(place)
            key = shown(stage)
            return [Spanset(tuple(places), (*spanset.attributes, (key, value))) for value, places in groups.items()]
        case ScalarFilter(op=op, lhs=Aggregate() as lhs, rhs=Static() as rhs):
            value = aggregate(lhs, trace, spanset)
            is_kept = value is not None and compare(op, value, rhs)
            return (
                [replace(spanset, attributes=(*spanset.attributes, (shown(lhs), value)))] if is_kept and value else []
            )
    raise TypeError(stage)


def group_value(expression: FieldExpression, at: At) -> Static:
    """The value to group by: nil for a missing attribute, false for an expression that has no result."""
    value = evaluate(expression, at)
    return value if value != ABSENT or isinstance(expression, Attribute | Intrinsic) else FALSE


def aggregate(node: Aggregate, trace: Trace, spanset: Spanset) -> Static | None:
    """The number that a spanset's spans have together; None when none of them has one."""
    if node.operand is None:
        return Static(StaticType.INT, len(spanset.places))
    operands = (evaluate(node.operand, At(trace, place)) for place in spanset.places)
    numbers = [number for number in operands if number.type.is_numeric]
    if not numbers:
        return None
    types = {number.type for number in numbers}
    kind = types.pop() if len(types) == 1 else StaticType.FLOAT
    values = [number.value for number in numbers]
    match node.function:
        case AggregateFunction.MIN:
            return Static(kind, min(values))
        case AggregateFunction.MAX:
            return Static(kind, max(values))
        case AggregateFunction.SUM:
            return Static(kind, sum(values))
        case _:
            mean = sum(values) / len(values)
            return (
                Static(StaticType.DURATION, int(mean))
                if kind is StaticType.DURATION
                else Static(StaticType.FLOAT, mean)
            )


def _union(spansets: Sequence[Spanset]) -> Spanset:
    """All spans, none twice; attributes are dropped."""
    return Spanset(tuple(sorted({place for spanset in spansets for place in spanset.places})))


def _combined(node: SpansetExpression, trace: Trace, spanset: Spanset) -> list[Spanset]:
    match node:
        case SpansetChain(op=op, operands=operands):
            sides = [run(operand, trace, [spanset]) for operand in operands]
            holds = all(sides) if op is LogicalOperator.AND else any(sides)
            return [_union([one for side in sides for one in side])] if holds else []
        case SpansetOperation():
            return [_structural(node, trace, _single(node.lhs, trace, spanset), _single(node.rhs, trace, spanset))]
    raise TypeError(node)


def _single(node: SpansetExpression, trace: Trace, spanset: Spanset) -> tuple[int, ...]:
    spansets = run(node, trace, [spanset])
    if len(spansets) > 1:
        message = "spanset operators are not supported for multiple spansets per trace. consider using coalesce()"
        raise EvaluationError(message)
    return spansets[0].places if spansets else ()


def _structural(node: SpansetOperation, trace: Trace, left: Sequence[int], right: Sequence[int]) -> Spanset:
    relation = node.op.relation
    pairs = [(one, other) for other in right for one in left if trace.is_related(relation, one, other)]
    related = {other for _, other in pairs}
    if node.op.is_negated:
        return Spanset(tuple(place for place in right if place not in related))
    if node.op.is_union:
        return Spanset(tuple(sorted(related | {one for one, _ in pairs})))
    return Spanset(tuple(sorted(related)))
