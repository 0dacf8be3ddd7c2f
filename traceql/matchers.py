"""Queries that are still being typed: what autocomplete may already use of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from traceql.ast import (
    AttributeReference,
    BinaryOperation,
    FieldExpression,
    LogicalChain,
    Pipeline,
    Query,
    SpansetFilter,
    Static,
)
from traceql.errors import TraceQLError
from traceql.inference import mentions_span, type_of
from traceql.operators import BinaryOperator, LogicalOperator
from traceql.parser import parse
from traceql.types import StaticType

_SIGN = re.compile(r'"(?:[^"\\]|\\.)*"?|`[^`]*`?|&&|\|\||[{}()]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Matchers:
    """The complete conditions of one spanset filter, all of which must hold. Their types are not checked yet."""

    conditions: tuple[FieldExpression, ...] = ()

    def query(self) -> Query | None:
        """The conditions as a query; None when there are none."""
        if not self.conditions:
            return None
        several = len(self.conditions) > 1
        expression = LogicalChain(LogicalOperator.AND, self.conditions) if several else self.conditions[0]
        return Query(Pipeline((SpansetFilter(expression),)))

    def operand_of(self, attribute: AttributeReference) -> Static | None:
        """The constant that the attribute must equal, if one of the conditions says so."""
        for condition in self.conditions:
            match condition:
                case BinaryOperation(op=BinaryOperator.EQUAL, lhs=lhs, rhs=Static() as value) if lhs == attribute:
                    return value
        return None

    def without(self, attribute: AttributeReference) -> Matchers:
        """The conditions that do not compare the attribute itself."""
        return Matchers(
            tuple(
                condition
                for condition in self.conditions
                if not (isinstance(condition, BinaryOperation) and attribute in (condition.lhs, condition.rhs))
            )
        )


def matchers_of(text: str) -> Matchers:
    """The complete conditions of `{ span.a = "x" && span.b = `.

    Conditions still in progress are dropped. A text with `||`, with more than one spanset or with a pipeline has
    none: it cannot be told what it will select.
    """
    conditions = (_condition(piece) for piece in _pieces(text.strip()) if piece.strip())
    return Matchers(tuple(condition for condition in conditions if condition is not None))


def _pieces(text: str) -> list[str]:
    """The texts between `&&` within the braces, those within parentheses left whole; none for any other text."""
    if not text.startswith("{"):
        return []
    pieces: list[str] = []
    start, depth = 1, 0
    for sign in _SIGN.finditer(text, 1):
        match sign.group():
            case "||" | "{":
                return []
            case "}":
                return [*pieces, text[start : sign.start()]] if sign.end() == len(text) else []
            case "&&" if depth == 0:
                pieces.append(text[start : sign.start()])
                start = sign.end()
            case "(":
                depth += 1
            case ")":
                depth -= 1
    return [*pieces, text[start:]]


def _condition(piece: str) -> FieldExpression | None:
    """The condition that a piece of text is; None when it is not complete."""
    try:
        query = parse("{" + piece + "}")
    except TraceQLError:
        return None
    match query:
        case Query(root=Pipeline(stages=(SpansetFilter(expression=expression),))):
            is_condition = type_of(expression) is StaticType.BOOL and mentions_span(expression)
            return expression if is_condition else None
    return None
