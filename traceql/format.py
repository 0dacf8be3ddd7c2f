"""Tree to text.

`format_query` gives the canonical text, with the fewest parentheses that a reader needs; it reads back as the same
tree. `shown` gives the text by which answers and error texts name expressions: every operand that is an operation in
parentheses, strings in back quotes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatchmethod

from traceql.ast import (
    Aggregate,
    Attribute,
    BinaryOperation,
    BottomK,
    Coalesce,
    Compare,
    GroupBy,
    Hint,
    Intrinsic,
    LogicalChain,
    MetricsAggregate,
    MetricsArithmetic,
    MetricsFilter,
    MetricsQuery,
    Node,
    Pipeline,
    Query,
    ScalarFilter,
    ScalarOperation,
    Select,
    SpansetChain,
    SpansetFilter,
    SpansetOperation,
    Static,
    TopK,
    UnaryOperation,
)
from traceql.attributes import AttributeScope
from traceql.durations import format_duration, short_duration
from traceql.literals import quote_name, quote_string
from traceql.operators import BinaryOperator
from traceql.types import MIN_INT, StaticType, StaticValue

# How tightly an operation binds, loosest first.
_CHAIN, _COMPARISON, _SUM, _PREFIX, _PRODUCT, _POWER, _ATOM = range(7)
_LEVELS = {
    BinaryOperator.ADD: _SUM,
    BinaryOperator.SUBTRACT: _SUM,
    BinaryOperator.MULTIPLY: _PRODUCT,
    BinaryOperator.DIVIDE: _PRODUCT,
    BinaryOperator.MODULO: _PRODUCT,
    BinaryOperator.POWER: _POWER,
}


def format_query(node: Node) -> str:
    """The canonical text of a query, or of a part of one."""
    return _CANONICAL.text(node)


def shown(node: Node) -> str:
    """The text of an expression as answers and errors show it."""
    return _SHOWN.text(node)


def _level(node: Node) -> int:
    match node:
        case LogicalChain() | SpansetChain():
            return _CHAIN
        case SpansetOperation():
            return _COMPARISON
        case BinaryOperation(op=op) | ScalarOperation(op=op):
            return _LEVELS.get(op, _COMPARISON)
        case UnaryOperation():
            return _PREFIX
        case Static(type=kind, value=value) if kind.is_numeric and isinstance(value, int | float) and value < 0:
            return _PREFIX if value != MIN_INT else _ATOM
        case Pipeline():
            return -1
        case _:
            return _ATOM


def _is_operation(node: Node) -> bool:
    return isinstance(
        node, LogicalChain | BinaryOperation | ScalarOperation | SpansetChain | SpansetOperation | Pipeline
    )


def static_text(kind: StaticType, value: StaticValue) -> str:
    """A value that is no string, as it is written in a query."""
    match value:
        case None:
            return "nil"
        case bool():
            return "true" if value else "false"
        case tuple():
            return "[" + ", ".join(static_text(kind.element, item) for item in value) + "]"
        case int() if kind is StaticType.DURATION:
            return format_duration(value)
        case int() if kind in (StaticType.STATUS, StaticType.KIND):
            return str(getattr(value, "name", value)).lower()
        case int():
            return "minInt" if value == MIN_INT else str(value)
        case str():
            return quote_string(value)
        case _:
            return repr(value)


def _back_quoted(value: str) -> str:
    return quote_string(value) if "`" in value or "\r" in value else f"`{value}`"


@dataclass(frozen=True, slots=True)
class _Printer:
    """Prints nodes; `is_canonical` chooses between the two forms."""

    is_canonical: bool

    @singledispatchmethod
    def text(self, node: Node) -> str:
        raise TypeError(f"no text for {type(node).__name__}")

    def operand(self, node: Node, at_least: int) -> str:
        """An operand, in parentheses when it binds looser than the place allows."""
        if self.is_canonical:
            in_parentheses = _level(node) < at_least
        else:  # `(-a) * b`, since `-a * b` reads as `-(a * b)`
            in_parentheses = _is_operation(node) or at_least > _level(node) == _PREFIX
        return f"({self.text(node)})" if in_parentheses else self.text(node)

    def listed(self, nodes: Iterable[Node]) -> str:
        return ", ".join(self.text(node) for node in nodes)

    def chained(self, op: str, operands: tuple[Node, ...]) -> str:
        texts = [self.operand(operand, _COMPARISON) for operand in operands]
        if self.is_canonical:
            return f" {op} ".join(texts)
        opening = "(" * (len(texts) - 2)  # as if operands were joined two by two
        return opening + texts[0] + ")".join(f" {op} {text}" for text in texts[1:])

    # ---- field expressions ----

    @text.register
    def _(self, node: Static) -> str:
        if isinstance(node.value, str) and not self.is_canonical:
            return _back_quoted(node.value)
        if isinstance(node.value, int) and node.type is StaticType.DURATION and self.is_canonical:
            return short_duration(node.value)
        return static_text(node.type, node.value)

    @text.register
    def _(self, node: Attribute) -> str:
        scope = "parent." * node.of_parent + node.scope.value + "." * (node.scope.value != "" or not node.of_parent)
        is_taken = node.of_parent and node.scope is AttributeScope.UNSCOPED
        must_quote = is_taken and node.name.startswith(("span.", "resource."))
        return scope + quote_name(node.scope, node.name, must_quote=must_quote)

    @text.register
    def _(self, node: Intrinsic) -> str:
        return node.kind.value

    @text.register
    def _(self, node: UnaryOperation) -> str:
        least = _PREFIX if _level(node.operand) == _PREFIX else _ATOM
        return node.op.value + self.operand(node.operand, least)

    @text.register
    def _(self, node: BinaryOperation | ScalarOperation) -> str:
        level = _LEVELS.get(node.op, _COMPARISON)
        is_power = level == _POWER
        lhs = self.operand(node.lhs, _SUM if level == _COMPARISON else level + is_power)
        rhs = self.operand(node.rhs, level + (not is_power))
        return f"{lhs} {node.op.value} {rhs}"

    @text.register
    def _(self, node: LogicalChain | SpansetChain) -> str:
        return self.chained(node.op.value, node.operands)

    # ---- pipelines ----

    @text.register
    def _(self, node: SpansetFilter) -> str:
        is_all = self.is_canonical and node.expression == Static(StaticType.BOOL, value=True)
        return "{ }" if is_all else f"{{ {self.text(node.expression)} }}"

    @text.register
    def _(self, node: SpansetOperation) -> str:
        return f"{self.operand(node.lhs, _COMPARISON)} {node.op.value} {self.operand(node.rhs, _SUM)}"

    @text.register
    def _(self, node: ScalarFilter) -> str:
        return f"{self.operand(node.lhs, _SUM)} {node.op.value} {self.operand(node.rhs, _SUM)}"

    @text.register
    def _(self, node: Aggregate) -> str:
        return f"{node.function.value}({self.text(node.operand) if node.operand else ''})"

    @text.register
    def _(self, node: GroupBy) -> str:
        return f"by({self.text(node.expression)})"

    @text.register
    def _(self, _node: Coalesce) -> str:
        return "coalesce()"

    @text.register
    def _(self, node: Select) -> str:
        return f"select({self.listed(node.attributes)})"

    @text.register
    def _(self, node: Pipeline) -> str:
        return " | ".join(self.text(stage) for stage in node.stages)

    # ---- metrics ----

    @text.register
    def _(self, node: MetricsAggregate) -> str:
        arguments = [self.text(node.operand)] if node.operand else []
        arguments += [repr(quantile).removesuffix(".0") for quantile in node.quantiles]
        by = f" by ({self.listed(node.by)})" if node.by else ""
        return f"{node.function.value}({', '.join(arguments)}){by}"

    @text.register
    def _(self, node: Compare) -> str:
        arguments = [self.text(node.selection)]
        if node.top != Compare(node.selection).top or node.start_ns is not None:
            arguments.append(str(node.top))
        if node.start_ns is not None:
            arguments += (str(node.start_ns), str(node.end_ns))
        return f"compare({', '.join(arguments)})"

    @text.register
    def _(self, node: TopK) -> str:
        return f" | topk({node.limit})"

    @text.register
    def _(self, node: BottomK) -> str:
        return f" | bottomk({node.limit})"

    @text.register
    def _(self, node: MetricsFilter) -> str:
        return f" {node.op.value} {self.text(node.value)}"

    @text.register
    def _(self, node: MetricsQuery) -> str:
        return f"{self.text(node.pipeline)} | {self.text(node.function)}" + "".join(map(self.text, node.second))

    @text.register
    def _(self, node: MetricsArithmetic) -> str:
        second = "".join(map(self.text, node.second))
        return f"({self.text(node.lhs)}) {node.op.value} ({self.text(node.rhs)}){second}"

    # ---- query ----

    @text.register
    def _(self, node: Query) -> str:
        return self.text(node.root) + (f" with ({self.listed(node.hints)})" if node.hints else "")

    @text.register
    def _(self, node: Hint) -> str:
        return f"{node.name}={self.text(node.value)}"


_CANONICAL = _Printer(is_canonical=True)
_SHOWN = _Printer(is_canonical=False)
