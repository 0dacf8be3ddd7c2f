"""`{ a } | { b }` -> `{ a && b }`: neighbouring filters look at the spans once.

Not where both look at events or links: in one filter one event must satisfy all its comparisons, in two
filters each may find another event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tempo_dask.plan.nodes import Plan, PlanStage
from traceql.ast import (
    Attribute,
    BinaryOperation,
    FieldExpression,
    Intrinsic,
    LogicalChain,
    SpansetFilter,
    UnaryOperation,
)
from traceql.attributes import AttributeScope
from traceql.operators import LogicalOperator

_JOINED_SCOPES = frozenset({AttributeScope.EVENT, AttributeScope.LINK})


def merge_filters(plan: Plan) -> Plan:
    """Join runs of filters that look at no events or links."""
    stages: list[PlanStage] = []
    for stage in plan.stages:
        last = stages[-1] if stages else None
        if isinstance(stage, SpansetFilter) and isinstance(last, SpansetFilter) and _are_about_spans(last, stage):
            stages[-1] = SpansetFilter(LogicalChain(LogicalOperator.AND, (*_terms(last), *_terms(stage))))
        else:
            stages.append(stage)
    return replace(plan, stages=tuple(stages))


def _terms(stage: SpansetFilter) -> tuple[FieldExpression, ...]:
    expression = stage.expression
    if isinstance(expression, LogicalChain) and expression.op is LogicalOperator.AND:
        return expression.operands
    return (expression,)


def _are_about_spans(*stages: SpansetFilter) -> bool:
    return not any(_is_joined(leaf) for stage in stages for leaf in _leaves(stage.expression))


def _is_joined(leaf: FieldExpression) -> bool:
    if isinstance(leaf, Attribute):
        return leaf.scope in _JOINED_SCOPES
    return isinstance(leaf, Intrinsic) and (leaf.kind.is_of_event or leaf.kind.is_of_link)


def _leaves(expression: FieldExpression) -> Iterator[FieldExpression]:
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        match node:
            case LogicalChain(operands=operands):
                waiting.extend(operands)
            case BinaryOperation(lhs=lhs, rhs=rhs):
                waiting.extend((lhs, rhs))
            case UnaryOperation(operand=operand):
                waiting.append(operand)
            case _:
                yield node
