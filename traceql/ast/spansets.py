"""Pipelines: stages that turn the spansets of a trace into others."""

from __future__ import annotations

from dataclasses import dataclass

from traceql.ast.fields import AttributeReference, FieldExpression, Static
from traceql.ast.node import Node
from traceql.operators import AggregateFunction, BinaryOperator, LogicalOperator, StructuralOperator


@dataclass(frozen=True, slots=True)
class SpansetFilter(Node):
    """`{ expression }`: the spans for which it holds; `{}` has the static `true`."""

    expression: FieldExpression


@dataclass(frozen=True, slots=True)
class SpansetOperation(Node):
    """`lhs >> rhs`: spans of `rhs` (with a union operator of both) by their place relative to spans of `lhs`."""

    op: StructuralOperator
    lhs: SpansetExpression
    rhs: SpansetExpression


@dataclass(frozen=True, slots=True)
class SpansetChain(Node):
    """`{ a } && { b } && { c }`: all operands' spans when each (`&&`) or any (`||`) operand has some; flat."""

    op: LogicalOperator
    operands: tuple[SpansetExpression, ...]


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """`count()`, `avg(operand)`; only `count` has no operand."""

    function: AggregateFunction
    operand: FieldExpression | None = None


@dataclass(frozen=True, slots=True)
class ScalarOperation(Node):
    """`lhs + rhs` over scalars; parses, but validation refuses every query that has one."""

    op: BinaryOperator
    lhs: ScalarExpression
    rhs: ScalarExpression


@dataclass(frozen=True, slots=True)
class ScalarFilter(Node):
    """`avg(duration) > 1s`: keeps spansets; in a valid query `lhs` is an aggregate and `rhs` a static."""

    op: BinaryOperator
    lhs: ScalarExpression
    rhs: ScalarExpression


@dataclass(frozen=True, slots=True)
class GroupBy(Node):
    """`by(expression)`: splits each spanset by a value of its spans."""

    expression: FieldExpression


@dataclass(frozen=True, slots=True)
class Coalesce(Node):
    """`coalesce()`: joins the spansets of a trace into one."""


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`select(a, b)`: shows more attributes on the resulting spans."""

    attributes: tuple[AttributeReference, ...]


@dataclass(frozen=True, slots=True)
class Pipeline(Node):
    """`stage | stage`: at least one stage. As an operand of a spanset operation it stood in parentheses."""

    stages: tuple[Stage, ...]


ScalarExpression = Aggregate | Static | ScalarOperation
SpansetExpression = SpansetFilter | SpansetOperation | SpansetChain | Pipeline
Stage = SpansetFilter | SpansetOperation | SpansetChain | ScalarFilter | GroupBy | Coalesce | Select
