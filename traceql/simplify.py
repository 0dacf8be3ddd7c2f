"""Rewrites that keep the meaning: constant folding and a normal form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from traceql.ast import (
    BinaryOperation,
    FieldExpression,
    LogicalChain,
    Node,
    Query,
    SpansetFilter,
    Static,
    UnaryOperation,
)
from traceql.ast.walk import rebuild, walk
from traceql.inference import mentions_event_or_link, type_of
from traceql.operators import LogicalOperator
from traceql.types import StaticType
from traceql.values import fold_binary, fold_unary

AnyNode = TypeVar("AnyNode", bound=Node)


def fold(node: AnyNode) -> AnyNode:
    """The node with every constant operation replaced by its value: `{ duration > 2 * 3 }` becomes `{ duration > 6 }`.

    Raises ParseError for an integer division by zero.
    """
    return rebuild(node, _folded)


def _folded(node: Node) -> Node:
    value: Static | None = None
    match node:
        case BinaryOperation(op=op, lhs=Static() as lhs, rhs=Static() as rhs):
            value = fold_binary(op, lhs, rhs)
        case UnaryOperation(op=unary, operand=Static() as operand):
            value = fold_unary(unary, operand)
    return node if value is None else replace(value, position=node.position)


def simplify(query: Query) -> Query:
    """The query in normal form, for executors.

    Constants are folded; a constant compared stands on the right; chains are flat, without repeated, neutral or
    unreachable operands. The query must be valid; simplifying twice changes nothing more.
    """
    return rebuild(query, _normal)


def _normal(node: Node) -> Node:
    match _folded(node):
        case BinaryOperation() as binary:
            return _turned(binary)
        case LogicalChain() as chain:
            return _shortened(chain)
        case SpansetFilter(expression=expression) as braces:
            return replace(braces, expression=_condition(expression))
        case other:
            return other


def _turned(binary: BinaryOperation) -> BinaryOperation:
    """`4 < .a` becomes `.a > 4`."""
    is_turnable = binary.op.is_comparison and not binary.op.is_regex
    if is_turnable and isinstance(binary.lhs, Static) and not isinstance(binary.rhs, Static):
        return replace(binary, op=binary.op.turned, lhs=binary.rhs, rhs=binary.lhs)
    return binary


def _shortened(chain: LogicalChain) -> FieldExpression:
    """`(.a && true) && .b && .a` becomes `.a && .b`, `.a = 1 && false` becomes `false`.

    What stands alone in the end stays in a chain with the neutral constant unless it is a boolean: `.a && true` is
    false where `.a` is 5. An `||` keeps one comparison of events apart from those around it, which speak of the same
    event.
    """
    neutral = Static(StaticType.BOOL, chain.op is LogicalOperator.AND, position=chain.position)
    operands = tuple(_until_decided(_flat(chain.operands, chain.op), neutral))
    last = operands[-1] if operands else neutral
    if isinstance(last, Static) and last.type is StaticType.BOOL and not any(map(_may_fail, operands)):
        return last
    if len(operands) > 1:
        return replace(chain, operands=operands)
    is_apart = chain.op is LogicalOperator.OR and mentions_event_or_link(last)
    if type_of(last) is StaticType.BOOL and not is_apart:
        return last
    return replace(chain, operands=(last, neutral))


def _flat(operands: Iterable[FieldExpression], op: LogicalOperator) -> Iterator[FieldExpression]:
    for operand in map(_condition, operands):
        if isinstance(operand, LogicalChain) and operand.op is op:
            yield from operand.operands
        else:
            yield operand


def _until_decided(operands: Iterable[FieldExpression], neutral: Static) -> Iterator[FieldExpression]:
    """The operands that count: no repeated ones, no neutral ones, none behind one that decides the chain."""
    seen: set[FieldExpression] = {neutral}
    for operand in operands:
        if operand not in seen:
            yield operand
            seen.add(operand)
        if isinstance(operand, Static) and operand != neutral:
            return


def _condition(expression: FieldExpression) -> FieldExpression:
    """The expression where only its being true counts: `.a && true` is `.a`."""
    match expression:
        case LogicalChain(op=op, operands=(operand, Static(type=StaticType.BOOL, value=value))):
            is_neutral = value is (op is LogicalOperator.AND)
            return operand if is_neutral and not mentions_event_or_link(operand) else expression
        case _:
            return expression


def _may_fail(expression: FieldExpression) -> bool:
    """Whether some value could make the evaluation fail (`!5`, `-"a"`, arithmetic on an array)."""
    return any(
        isinstance(part, UnaryOperation) or (isinstance(part, BinaryOperation) and part.op.is_arithmetic)
        for part in walk(expression)
    )
