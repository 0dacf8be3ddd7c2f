"""Builds the tree: one method per rule (or alias) of grammar.lark, called as the parser reduces.

A method gets the rule's children, in order: nodes that others built, and all tokens.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any, TypeVar

from lark import Token

from traceql.ast import (
    Aggregate,
    Attribute,
    AttributeReference,
    BinaryOperation,
    BottomK,
    Coalesce,
    Compare,
    FieldExpression,
    GroupBy,
    Hint,
    Intrinsic,
    LogicalChain,
    MetricsAggregate,
    MetricsArithmetic,
    MetricsExpression,
    MetricsFilter,
    MetricsQuery,
    Node,
    Pipeline,
    Query,
    ScalarExpression,
    ScalarFilter,
    ScalarOperation,
    Select,
    SourceRange,
    SpansetChain,
    SpansetExpression,
    SpansetFilter,
    SpansetOperation,
    Stage,
    Static,
    TopK,
    UnaryOperation,
)
from traceql.attributes import INTRINSICS
from traceql.errors import Diagnostic, Fault, ParseError, ValidationError
from traceql.lexing import position_of
from traceql.operators import (
    AggregateFunction,
    BinaryOperator,
    LogicalOperator,
    MetricsFunction,
    StructuralOperator,
    UnaryOperator,
)
from traceql.types import MAX_INT, MIN_INT, Kind, StaticType, Status

Part = Node | Token
Chain = TypeVar("Chain", LogicalChain, SpansetChain)
CONSTANTS = {"minInt": MIN_INT, "maxInt": MAX_INT}


def _between(first: Part, last: Part) -> SourceRange:
    """The range from the start of one part to the end of another."""
    start = position_of(first) if isinstance(first, Token) else first.position
    end = (last.start_pos or 0) + len(last) if isinstance(last, Token) else last.position.end
    return SourceRange(start.start, end, start.line, start.column)


def _around(children: list[Any]) -> SourceRange:
    last = children[-1]
    return _between(children[0], last if last is not None else children[-2])


def _pipeline(stages: list[Stage]) -> Pipeline:
    return Pipeline(tuple(stages), position=_between(stages[0], stages[-1]))


def _chain(node: type[Chain], terms: list[Any]) -> Chain:
    """The chain of terms with operators between them; where the operator changes, a new one holds the old."""
    lhs = terms[0]
    for op, run in groupby(zip(terms[1::2], terms[2::2], strict=True), key=lambda pair: LogicalOperator(pair[0])):
        head = lhs.operands if isinstance(lhs, node) and lhs.op is op else (lhs,)
        operands = head + tuple(term for _, term in run)
        lhs = node(op, operands, position=_between(lhs, operands[-1]))
    return lhs  # type: ignore[no-any-return]  # at least one run, by grammar


class Builder:
    """The parser's callbacks. Has no state, so one serves all threads."""

    # ---- 1 query ----

    def query(self, children: list[Any]) -> Query:
        """Wrap what a query asks for."""
        (root,) = children
        root = _pipeline(root) if isinstance(root, list) else root
        return Query(root, position=root.position)

    def hinted(self, children: list[Any]) -> Query:
        """Hang hints on a query; the last `with` wins."""
        query: Query = children[0]
        hints = tuple(child for child in children if isinstance(child, Hint))
        return Query(query.root, hints, position=_around(children))

    def hint(self, children: list[Any]) -> Hint:
        """`name = static`."""
        name, _, value = children
        return Hint(str(name), value, position=_around(children))

    # ---- 2 pipelines ----

    # The stages of a pipeline, and the terms of a chain, grow in lists until the parser has seen them all.

    def stages(self, children: list[Any]) -> list[Stage]:
        """Begin a pipeline; one in parentheses that begins another melts into it."""
        (stage,) = children
        return list(stage.stages) if isinstance(stage, Pipeline) else [stage]

    def more_stages(self, children: list[Any]) -> list[Stage]:
        """`stages | stage`."""
        stages, _, stage = children
        stages += stage.stages if isinstance(stage, Pipeline) else [stage]
        return stages  # type: ignore[no-any-return]  # by grammar

    def group_by(self, children: list[Any]) -> GroupBy:
        """`by(field)`."""
        return GroupBy(children[2], position=_around(children))

    def select(self, children: list[Any]) -> Select:
        """`select(attribute, ...)`."""
        return Select(_attributes(children), position=_around(children))

    def coalesce(self, children: list[Any]) -> Coalesce:
        """`coalesce()`."""
        return Coalesce(position=_around(children))

    # ---- 3 spansets ----

    def spanset_filter(self, children: list[Any]) -> SpansetFilter:
        """`{ field }`; nothing between the braces is `true`."""
        expression = children[1] or Static(StaticType.BOOL, value=True, position=_around(children))
        return SpansetFilter(expression, position=_around(children))

    def spanset_operation(self, children: list[Any]) -> SpansetOperation:
        """`lhs >> rhs`."""
        lhs, op, rhs = children
        return SpansetOperation(StructuralOperator(op), lhs, rhs, position=_between(lhs, rhs))

    def spanset_parentheses(self, children: list[Any]) -> SpansetExpression:
        """`( pipeline )`; of a single spanset the parentheses leave no trace."""
        stages: list[Stage] = children[1]
        stage = stages[0]
        if len(stages) == 1 and isinstance(stage, SpansetExpression):
            return replace(stage, position=_around(children))
        return replace(_pipeline(stages), position=_around(children))

    def terms(self, children: list[Any]) -> list[Any]:
        """Begin a chain: term, operator, term."""
        return children

    def more_terms(self, children: list[Any]) -> list[Any]:
        """Lengthen a chain."""
        terms, op, term = children
        terms += (op, term)
        return terms  # type: ignore[no-any-return]  # by grammar

    def spanset_chain(self, children: list[Any]) -> SpansetChain:
        """`{ a } && { b }`."""
        return _chain(SpansetChain, children[0])

    # ---- 4 scalars ----

    def scalar_filter(self, children: list[Any]) -> ScalarFilter:
        """`scalar > scalar`."""
        lhs, op, rhs = children
        return ScalarFilter(BinaryOperator(op), lhs, rhs, position=_between(lhs, rhs))

    def scalar_operation(self, children: list[Any]) -> ScalarExpression:
        """`scalar + scalar`."""
        lhs, op, rhs = children
        return ScalarOperation(BinaryOperator(op), lhs, rhs, position=_between(lhs, rhs))

    def aggregate(self, children: list[Any]) -> Aggregate:
        """`count()`, `max(field)`."""
        operand = children[2] if len(children) == 4 else None
        return Aggregate(AggregateFunction(children[0]), operand, position=_around(children))

    def scalar_pipeline(self, children: list[Any]) -> ScalarExpression:
        """`( pipeline | scalar )`, which nothing can follow but its refusal."""
        return Aggregate(AggregateFunction.COUNT, position=_around(children))

    def scalar_pipeline_filter(self, children: list[Any]) -> Pipeline:
        """Refuse a comparison of two pipelines' numbers."""
        message = "scalar filter lhs of type (%v) not yet supported"
        raise ValidationError((Diagnostic(message, _around(children), Fault.UNSUPPORTED),))

    # ---- 5 field expressions ----

    def logical_chain(self, children: list[Any]) -> LogicalChain:
        """`a && b`."""
        return _chain(LogicalChain, children[0])

    def binary(self, children: list[Any]) -> BinaryOperation:
        """`lhs + rhs`."""
        lhs, op, rhs = children
        return BinaryOperation(BinaryOperator(op), lhs, rhs, position=_between(lhs, rhs))

    def unary(self, children: list[Any]) -> FieldExpression:
        """`-operand`, `!operand`; a negated number is a number."""
        token, operand = children
        op = UnaryOperator(token)
        if op is UnaryOperator.NEGATE and isinstance(operand, Static) and operand.type.is_numeric:
            return self.negative_number(children)
        return UnaryOperation(op, operand, position=_around(children))

    def parentheses(self, children: list[Any]) -> Any:
        """`( what )`: they shape the tree and are not in it, but belong to the text of what they enclose."""
        return replace(children[1], position=_around(children))

    def nil(self, children: list[Any]) -> Static:
        """`nil`."""
        return Static(StaticType.NIL, None, position=_around(children))

    # ---- 6 literals ----

    def integer(self, children: list[Any]) -> Static:
        """`5`."""
        return Static(StaticType.INT, children[0].value, position=_around(children))

    def floating(self, children: list[Any]) -> Static:
        """`.5`."""
        return Static(StaticType.FLOAT, children[0].value, position=_around(children))

    def duration(self, children: list[Any]) -> Static:
        """`5ms`."""
        return Static(StaticType.DURATION, children[0].value, position=_around(children))

    def negative_number(self, children: list[Any]) -> Static:
        """`- number`; the smallest integer is its own negative, as in 64 bits."""
        number: Static = children[1]
        value = number.value if number.value == MIN_INT else -number.value  # type: ignore[operator]  # a number
        return Static(number.type, value, position=_around(children))

    def string(self, children: list[Any]) -> Static:
        """`"text"`."""
        return Static(StaticType.STRING, children[0].value, position=_around(children))

    def boolean(self, children: list[Any]) -> Static:
        """`true`."""
        return Static(StaticType.BOOL, children[0] == "true", position=_around(children))

    def status(self, children: list[Any]) -> Static:
        """`error`."""
        return Static(StaticType.STATUS, Status[children[0].upper()], position=_around(children))

    def kind(self, children: list[Any]) -> Static:
        """`server`."""
        return Static(StaticType.KIND, Kind[children[0].upper()], position=_around(children))

    def constant(self, children: list[Any]) -> Static:
        """`minInt`, `maxInt`; any other word is refused."""
        (word,) = children
        if word not in CONSTANTS:
            raise unknown_identifier(word)
        return Static(StaticType.INT, CONSTANTS[word], position=_around(children))

    # ---- 7 attributes and intrinsics ----

    def scoped_attribute(self, children: list[Any]) -> Attribute:
        """`span.name`."""
        return Attribute(*children[0].value, position=_around(children))

    def intrinsic(self, children: list[Any]) -> Intrinsic:
        """`name`, `span:name`."""
        return Intrinsic(INTRINSICS["".join(children)], position=_around(children))

    # ---- 8 metrics ----

    def metrics_query(self, children: list[Any]) -> MetricsQuery:
        """`pipeline | function ...`."""
        stages, _, function, *second = children
        pipeline = _pipeline(stages)
        return MetricsQuery(pipeline, function, tuple(second), position=_between(pipeline, children[-1]))

    def metrics_operation(self, children: list[Any]) -> MetricsArithmetic:
        """`lhs / rhs`."""
        lhs, op, rhs = children
        return MetricsArithmetic(BinaryOperator(op), lhs, rhs, position=_between(lhs, rhs))

    def metrics_arithmetic(self, children: list[Any]) -> MetricsExpression:
        """`arithmetic | topk(5)`: second stages act on what stands before them."""
        source, *second = children
        if not second:
            return source  # type: ignore[no-any-return]  # by grammar
        stages, position = source.second + tuple(second), _around(children)
        if isinstance(source, MetricsQuery):
            return MetricsQuery(source.pipeline, source.function, stages, position=position)
        return MetricsArithmetic(source.op, source.lhs, source.rhs, stages, position=position)

    def counting(self, children: list[Any]) -> MetricsAggregate:
        """`rate() by (...)`."""
        name, _, last, by = children
        position = _between(name, by[-1] if by else last)
        return MetricsAggregate(MetricsFunction(name), None, _attributes(by), position=position)

    def measuring(self, children: list[Any]) -> MetricsAggregate:
        """`max_over_time(attribute) by (...)`."""
        name, _, operand, last, by = children
        position = _between(name, by[-1] if by else last)
        return MetricsAggregate(MetricsFunction(name), operand, _attributes(by), position=position)

    def quantiles(self, children: list[Any]) -> MetricsAggregate:
        """`quantile_over_time(attribute, .5, .9) by (...)`."""
        name, _, operand, *numbers, last, by = children
        position = _between(name, by[-1] if by else last)
        quantiles = tuple(float(number.value) for number in numbers if number.type != "COMMA")
        return MetricsAggregate(MetricsFunction(name), operand, _attributes(by), quantiles, position=position)

    def by(self, children: list[Any]) -> list[Any]:
        """`by (attribute, ...)`, kept as its parts for the function before it."""
        return children

    def comparing(self, children: list[Any]) -> Compare:
        """`compare({ field }, top, start, end)`."""
        numbers = [child.value for child in children if isinstance(child, Token) and child.type == "INTEGER"]
        return Compare(children[2], *numbers, position=_around(children))

    def ranking(self, children: list[Any]) -> TopK | BottomK:
        """`| topk(5)`."""
        node = TopK if children[1].type == "TOPK" else BottomK
        return node(children[3].value, position=_around(children))

    def metrics_filter(self, children: list[Any]) -> MetricsFilter:
        """`> 0.1`."""
        op, value = children
        return MetricsFilter(BinaryOperator(op), value, position=_around(children))


def unknown_identifier(word: Token) -> ParseError:
    """The refusal of a word that stands where a value should."""
    return ParseError(f"unknown identifier: {word}", position_of(word))


def _attributes(children: list[Any] | None) -> tuple[AttributeReference, ...]:
    """The attributes among a rule's children."""
    return tuple(child for child in children or () if isinstance(child, AttributeReference))
