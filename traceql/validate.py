"""The rules a query must keep beyond the grammar: types, regexes, limits, and what no executor supports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import singledispatch

from traceql.ast import (
    Aggregate,
    Attribute,
    BinaryOperation,
    BottomK,
    Compare,
    GroupBy,
    Intrinsic,
    LogicalChain,
    MetricsAggregate,
    MetricsArithmetic,
    MetricsQuery,
    Node,
    Query,
    ScalarFilter,
    SpansetFilter,
    Static,
    TopK,
    UnaryOperation,
)
from traceql.ast.walk import children
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.errors import Diagnostic, Fault, ParseError, ValidationError
from traceql.format import shown
from traceql.inference import mentions_span, type_of
from traceql.operators import BinaryOperator, MetricsFunction
from traceql.regex import is_valid_regex
from traceql.simplify import fold
from traceql.types import StaticType

MOST_GROUPS = 5
_FEWER_GROUPS = frozenset({MetricsFunction.HISTOGRAM, MetricsFunction.QUANTILE, MetricsFunction.AVG})
_CONDITION_TYPES = frozenset({StaticType.BOOL, StaticType.ATTRIBUTE})


def validate(query: Query) -> tuple[Diagnostic, ...]:
    """All that is wrong with a query, in order; empty when it can be run. Constants are folded first."""
    try:
        return tuple(_findings(fold(query)))
    except ParseError as error:
        return (Diagnostic(str(error), error.position),)


def require_valid(query: Query) -> None:
    """Raise a ValidationError with everything that is wrong with the query."""
    diagnostics = validate(query)
    if diagnostics:
        raise ValidationError(diagnostics)


def _findings(node: Node) -> Iterator[Diagnostic]:
    """What is wrong below a node, then with the node itself."""
    if isinstance(node, LogicalChain):
        yield from _chain_findings(node)
        return
    for child in children(node):
        yield from _findings(child)
    yield from check(node)


@singledispatch
def check(_node: Node) -> Iterator[Diagnostic]:
    """What is wrong with one node, its children aside."""
    return iter(())


def _invalid(message: str, node: Node) -> Diagnostic:
    return Diagnostic(message, node.position)


def _unsupported(message: str, node: Node) -> Diagnostic:
    return Diagnostic(message, node.position, Fault.UNSUPPORTED)


# ---- field expressions ----


def _chain_findings(chain: LogicalChain) -> Iterator[Diagnostic]:
    """Operands are joined from left to right; each join is named with all that stands before it."""
    yield from _findings(chain.operands[0])
    left = type_of(chain.operands[0])
    for count, operand in enumerate(chain.operands[1:], start=2):
        yield from _findings(operand)
        right = type_of(operand)
        if not {left, right} <= _CONDITION_TYPES:
            text = shown(replace(chain, operands=chain.operands[:count]))
            if left.matches(right):
                yield _invalid(f"illegal operation for the given types: {text}", chain)
            else:
                yield _invalid(f"binary operations must operate on the same type: {text}", chain)
        left = StaticType.BOOL


@check.register
def _(node: BinaryOperation) -> Iterator[Diagnostic]:
    left, right = type_of(node.lhs), type_of(node.rhs)
    if not left.matches(right):
        yield _invalid(f"binary operations must operate on the same type: {shown(node)}", node)
    elif not (node.op.fits(left) and node.op.fits(right)):
        yield _invalid(f"illegal operation for the given types: {shown(node)}", node)
    elif node.op.is_regex:
        yield from _check_pattern(node)
    elif node.op is BinaryOperator.EQUAL and StaticType.NIL in (left, right):
        yield from _check_nil(node)


def _check_pattern(node: BinaryOperation) -> Iterator[Diagnostic]:
    if not isinstance(node.rhs, Static):
        yield _unsupported(f"a regex that is no constant is not yet supported: {shown(node)}", node)
    elif isinstance(node.rhs.value, str) and not is_valid_regex(node.rhs.value):
        yield _invalid(f"invalid regex: {shown(node.rhs)}", node.rhs)


def _check_nil(node: BinaryOperation) -> Iterator[Diagnostic]:
    tested = node.rhs if type_of(node.lhs) is StaticType.NIL else node.lhs
    if isinstance(tested, Intrinsic):
        yield _invalid(f"{shown(tested)}=nil is not valid because intrinsics cannot be nil", node)
    elif tested == Attribute(AttributeScope.RESOURCE, "service.name"):
        yield _invalid(f"{shown(tested)}=nil is not valid because {shown(tested)} cannot be nil", node)


@check.register
def _(node: UnaryOperation) -> Iterator[Diagnostic]:
    if not node.op.fits(type_of(node.operand)):
        yield _invalid(f"illegal operation for the given type: {shown(node)}", node)


@check.register
def _(node: Attribute) -> Iterator[Diagnostic]:
    if node.of_parent:
        yield _unsupported("parent not yet supported", node)


@check.register
def _(node: Intrinsic) -> Iterator[Diagnostic]:
    if node.kind is IntrinsicKind.PARENT:
        yield _unsupported("intrinsic (parent) not yet supported", node)


# ---- pipelines ----


@check.register
def _(node: SpansetFilter) -> Iterator[Diagnostic]:
    if type_of(node.expression) not in _CONDITION_TYPES:
        yield _invalid(f"span filter field expressions must resolve to a boolean: {shown(node)}", node)


@check.register
def _(node: Aggregate) -> Iterator[Diagnostic]:
    if node.operand is None:
        return
    kind = type_of(node.operand)
    if kind is not StaticType.ATTRIBUTE and not kind.is_numeric:
        yield _invalid(f"aggregate field expressions must resolve to a number type: {shown(node)}", node)
    if not mentions_span(node.operand):
        yield _invalid(f"aggregate field expressions must reference the span: {shown(node)}", node)


@check.register
def _(node: ScalarFilter) -> Iterator[Diagnostic]:
    if not isinstance(node.lhs, Aggregate):
        yield _unsupported("scalar filter lhs of type (%v) not yet supported", node)
    if not isinstance(node.rhs, Static):
        yield _unsupported("scalar filter rhs of type (%v) not yet supported", node)


@check.register
def _(node: GroupBy) -> Iterator[Diagnostic]:
    if not mentions_span(node.expression):
        yield _invalid(f"grouping field expressions must reference the span: {shown(node)}", node)


# ---- metrics ----


@check.register
def _(node: MetricsAggregate) -> Iterator[Diagnostic]:
    count = len(node.by)
    if count > MOST_GROUPS - (node.function in _FEWER_GROUPS):
        yield _unsupported(f"metrics group by {count} values not yet supported", node)
    for quantile in node.quantiles:
        if not 0 <= quantile <= 1:
            text = repr(quantile).removesuffix(".0")
            yield _invalid(f"quantile must be between 0 and 1: {text}", node)


@check.register
def _(node: Compare) -> Iterator[Diagnostic]:
    if node.top <= 0:
        yield _invalid("compare() top number of values must be integer greater than 0", node)
    if node.start_ns is None or node.end_ns is None:
        return
    if node.start_ns <= 0 or node.end_ns <= 0:
        yield _invalid("compare() timestamps must be positive integer unix nanoseconds", node)
    elif node.end_ns <= node.start_ns:
        yield _invalid("compare() end timestamp must be greater than start timestamp", node)


@check.register
def _(node: TopK | BottomK) -> Iterator[Diagnostic]:
    if node.limit <= 0:
        yield _invalid("limit must be greater than 0", node)


@check.register
def _(node: MetricsQuery) -> Iterator[Diagnostic]:
    if node.second and isinstance(node.function, Compare):
        yield _invalid("`compare()` cannot be used with second stage functions", node)


@check.register
def _(node: MetricsArithmetic) -> Iterator[Diagnostic]:
    for side in (node.lhs, node.rhs):
        if isinstance(side, MetricsQuery) and isinstance(side.function, Compare):
            yield _unsupported("arithmetic on `compare()` is not yet supported", side)
