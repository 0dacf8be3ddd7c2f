"""Trees as the parser builds them, for Hypothesis: everything the grammar can say, valid or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st

from traceql import format_query
from traceql.ast import (
    Aggregate,
    Attribute,
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
    MetricsFilter,
    MetricsQuery,
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
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.operators import (
    AggregateFunction,
    BinaryOperator,
    LogicalOperator,
    MetricsFunction,
    StructuralOperator,
    UnaryOperator,
)
from traceql.types import MAX_INT, MIN_INT, Kind, StaticType, Status

T = TypeVar("T")


def _named(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """The same strategy behind a short name: Hypothesis prints strategies in full, and these nest deeply."""

    @st.composite
    def part(draw: Callable[[st.SearchStrategy[T]], T]) -> T:
        return draw(strategy)

    return part()


ARITHMETIC = [op for op in BinaryOperator if op.is_arithmetic]
COMPARISONS = [op for op in BinaryOperator if op.is_comparison]
ORDERINGS = [op for op in COMPARISONS if not op.is_regex]
FOUR_RULES = [BinaryOperator.ADD, BinaryOperator.SUBTRACT, BinaryOperator.MULTIPLY, BinaryOperator.DIVIDE]
NIL = Static(StaticType.NIL, None)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = (
    st.sampled_from(["a", "b.c", "http.method", "5xx", "a b", 'q"t', "back\\slash", "span.x", "", "{}", "Ω"]) | texts
)


def static(kind: StaticType, values: st.SearchStrategy[object]) -> st.SearchStrategy[Static]:
    return st.builds(Static, st.just(kind), values)


integers = static(StaticType.INT, st.integers(MIN_INT, MAX_INT) | st.integers(-3, 3))
floats = static(StaticType.FLOAT, st.floats(allow_nan=False, allow_infinity=False))
durations = static(StaticType.DURATION, st.integers(-MAX_INT, MAX_INT) | st.integers(0, 5_000_000_000))
strings = static(StaticType.STRING, texts)
booleans = static(StaticType.BOOL, st.booleans())
statuses = static(StaticType.STATUS, st.sampled_from(Status))
kinds = static(StaticType.KIND, st.sampled_from(Kind))
numbers = integers | floats | durations
scalar_numbers = numbers.filter(lambda number: number.value != MIN_INT)  # `minInt` is no number to the grammar
statics = _named(numbers | strings | booleans | statuses | kinds)

attributes = st.builds(Attribute, st.sampled_from(AttributeScope), names) | st.builds(
    Attribute,
    st.sampled_from([AttributeScope.UNSCOPED, AttributeScope.SPAN, AttributeScope.RESOURCE]),
    names,
    st.just(value=True),
)
intrinsics = st.builds(Intrinsic, st.sampled_from(IntrinsicKind))
references = _named(attributes | intrinsics)


def _unary(op: UnaryOperator, operand: FieldExpression) -> FieldExpression:
    """A negated number would be a number."""
    is_number = isinstance(operand, Static) and operand.type.is_numeric
    return operand if op is UnaryOperator.NEGATE and is_number else UnaryOperation(op, operand)


def _nil_test(op: BinaryOperator, tested: FieldExpression, is_left: bool) -> BinaryOperation:
    return BinaryOperation(op, NIL, tested) if is_left else BinaryOperation(op, tested, NIL)


def _chain(node: type, op: LogicalOperator, operands: list) -> LogicalChain | SpansetChain:
    """A chain of the same operator in the first place would be flat."""
    first, *rest = operands
    return node(op, (*(first.operands if isinstance(first, node) and first.op is op else (first,)), *rest))


def _operations(fields: st.SearchStrategy[FieldExpression]) -> st.SearchStrategy[FieldExpression]:
    equality = st.sampled_from([BinaryOperator.EQUAL, BinaryOperator.NOT_EQUAL])
    return st.one_of(
        st.builds(BinaryOperation, st.sampled_from(BinaryOperator), fields, fields),
        st.builds(_nil_test, equality, fields, st.booleans()),
        st.builds(_unary, st.sampled_from(UnaryOperator), fields),
        st.builds(
            _chain, st.just(LogicalChain), st.sampled_from(LogicalOperator), st.lists(fields, min_size=2, max_size=4)
        ),
    )


fields = _named(st.recursive(statics | references, _operations, max_leaves=8))
braces = _named(st.builds(SpansetFilter, st.just(Static(StaticType.BOOL, value=True)) | fields))

aggregates = st.builds(Aggregate, st.just(AggregateFunction.COUNT)) | st.builds(
    Aggregate, st.sampled_from([one for one in AggregateFunction if one is not AggregateFunction.COUNT]), fields
)
scalars = _named(
    st.recursive(
        aggregates | scalar_numbers,
        lambda scalars: st.builds(ScalarOperation, st.sampled_from(ARITHMETIC), scalars, scalars),
        max_leaves=4,
    )
)
scalar_filters = st.builds(ScalarFilter, st.sampled_from(ORDERINGS), scalars, scalars)
group_bys = st.builds(GroupBy, fields)
selects = st.builds(Select, st.lists(references, min_size=1, max_size=3).map(tuple))


def _pipelines(spansets: st.SearchStrategy, *, in_parentheses: bool) -> st.SearchStrategy[Pipeline]:
    first = spansets | group_bys | selects
    later = st.lists(first | scalar_filters | st.just(Coalesce()), max_size=3)
    if not in_parentheses:
        first = first | scalar_filters
    return st.builds(lambda head, tail: Pipeline((head, *tail)), first, later)


def _stands_alone(pipeline: Pipeline) -> bool:
    """A single spanset in parentheses is that spanset."""
    return len(pipeline.stages) > 1 or isinstance(pipeline.stages[0], GroupBy | Select)


def _spanset_operations(spansets: st.SearchStrategy) -> st.SearchStrategy:
    operands = _named(spansets | _pipelines(spansets, in_parentheses=True).filter(_stands_alone))
    chains = st.lists(operands, min_size=2, max_size=4)
    return st.builds(SpansetOperation, st.sampled_from(StructuralOperator), operands, operands) | st.builds(
        _chain, st.just(SpansetChain), st.sampled_from(LogicalOperator), chains
    )


spansets = _named(st.recursive(braces, _spanset_operations, max_leaves=5))
pipelines = _named(_pipelines(spansets, in_parentheses=False))

groups = st.lists(references, max_size=3).map(tuple)
metrics_functions = _named(
    st.one_of(
        st.builds(MetricsAggregate, st.sampled_from([MetricsFunction.RATE, MetricsFunction.COUNT]), by=groups),
        st.builds(
            MetricsAggregate,
            st.sampled_from(
                [one for one in MetricsFunction if one.takes_operand and one is not MetricsFunction.QUANTILE],
            ),
            references,
            groups,
        ),
        st.builds(
            MetricsAggregate,
            st.just(MetricsFunction.QUANTILE),
            references,
            groups,
            st.lists(st.floats(0, 2), min_size=1, max_size=3).map(tuple),
        ),
        st.builds(Compare, braces, st.integers(0, 20)),
        st.builds(Compare, braces, st.integers(0, 20), st.integers(0, MAX_INT), st.integers(0, MAX_INT)),
    )
)
second_stages = st.lists(
    st.builds(TopK, st.integers(0, 9))
    | st.builds(BottomK, st.integers(0, 9))
    | st.builds(MetricsFilter, st.sampled_from(ORDERINGS), scalar_numbers),
    max_size=2,
).map(tuple)
metrics = _named(
    st.recursive(
        st.builds(MetricsQuery, _pipelines(spansets, in_parentheses=True), metrics_functions, second_stages),
        lambda metrics: st.builds(MetricsArithmetic, st.sampled_from(FOUR_RULES), metrics, metrics, second_stages),
        max_leaves=3,
    )
)


def _has_no_sign(value: Static) -> bool:
    return not format_query(value).startswith("-")


hints = st.lists(
    st.builds(Hint, st.sampled_from(["most_recent", "exemplars", "x_1"]), statics.filter(_has_no_sign)), max_size=3
).map(tuple)
queries = _named(st.builds(Query, pipelines | metrics, hints))
