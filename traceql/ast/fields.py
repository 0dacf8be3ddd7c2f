"""Field expressions: what is computed for one span."""

from __future__ import annotations

from dataclasses import dataclass

from traceql.ast.node import Node
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.operators import BinaryOperator, LogicalOperator, UnaryOperator
from traceql.types import StaticType, StaticValue


@dataclass(frozen=True, slots=True)
class Static(Node):
    """`"text"`, `5`, `1.5s`, `error`, `nil`: a literal.

    `value` is nanoseconds for a duration, a `Status` or `Kind` for those, None for nil, a tuple for an array.
    """

    type: StaticType
    value: StaticValue


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """`span.http.method`, `.region`, `parent.span.x`: a user's attribute."""

    scope: AttributeScope
    name: str
    of_parent: bool = False


@dataclass(frozen=True, slots=True)
class Intrinsic(Node):
    """`duration`, `trace:id`: a built-in property."""

    kind: IntrinsicKind


@dataclass(frozen=True, slots=True)
class UnaryOperation(Node):
    """`-operand`, `!operand`."""

    op: UnaryOperator
    operand: FieldExpression


@dataclass(frozen=True, slots=True)
class BinaryOperation(Node):
    """`lhs + rhs`, `lhs >= rhs`, `lhs =~ rhs`; a test for nil compares with a nil static."""

    op: BinaryOperator
    lhs: FieldExpression
    rhs: FieldExpression


@dataclass(frozen=True, slots=True)
class LogicalChain(Node):
    """`a && b && c`: two or more operands of one operator, from left to right, flat.

    The first operand is never a chain of the same operator; ten thousand terms are one node.
    """

    op: LogicalOperator
    operands: tuple[FieldExpression, ...]


AttributeReference = Attribute | Intrinsic
FieldExpression = Static | Attribute | Intrinsic | UnaryOperation | BinaryOperation | LogicalChain
