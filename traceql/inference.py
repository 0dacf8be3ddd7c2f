"""What can be said of a field expression without a span: its type, and what it mentions."""

from __future__ import annotations

from traceql.ast import (
    Attribute,
    BinaryOperation,
    FieldExpression,
    Intrinsic,
    LogicalChain,
    Node,
    Static,
    UnaryOperation,
)
from traceql.ast.walk import walk
from traceql.attributes import AttributeScope
from traceql.operators import UnaryOperator
from traceql.types import StaticType


def type_of(expression: FieldExpression) -> StaticType:
    """The type of the expression's values; ATTRIBUTE where only the data can tell."""
    match expression:
        case Static(type=kind):
            return kind
        case Attribute():
            return StaticType.ATTRIBUTE
        case Intrinsic(kind=intrinsic):
            return intrinsic.type
        case UnaryOperation(op=UnaryOperator.NEGATE, operand=operand):
            return type_of(operand)
        case BinaryOperation(op=op, lhs=lhs, rhs=rhs) if op.is_arithmetic:
            left = type_of(lhs)
            return type_of(rhs) if left is StaticType.ATTRIBUTE else left
        case UnaryOperation() | BinaryOperation() | LogicalChain():
            return StaticType.BOOL


def mentions_span(node: Node) -> bool:
    """Whether the expression depends on the span at all."""
    return any(isinstance(part, Attribute | Intrinsic) for part in walk(node))


def mentions_event_or_link(node: Node) -> bool:
    """Whether the expression has a value per event or link of a span rather than one."""
    return any(is_of_event(part) or is_of_link(part) for part in walk(node))


def is_of_event(node: Node) -> bool:
    """Whether the node is an attribute or an intrinsic of events."""
    match node:
        case Attribute(scope=scope):
            return scope is AttributeScope.EVENT
        case Intrinsic(kind=kind):
            return kind.is_of_event
        case _:
            return False


def is_of_link(node: Node) -> bool:
    """Whether the node is an attribute or an intrinsic of links."""
    match node:
        case Attribute(scope=scope):
            return scope is AttributeScope.LINK
        case Intrinsic(kind=kind):
            return kind.is_of_link
        case _:
            return False
