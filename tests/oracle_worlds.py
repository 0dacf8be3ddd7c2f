"""Small worlds for Hypothesis: conditions over few names and values, and traces of few spans, so that things meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import strategies as st

from tests.oracle_spans import Event, Link, Span
from traceql.ast import Attribute, BinaryOperation, FieldExpression, Intrinsic, LogicalChain, Static, UnaryOperation
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.operators import BinaryOperator, LogicalOperator, UnaryOperator
from traceql.types import Kind, StaticType, Status

T = TypeVar("T")
NIL = Static(StaticType.NIL, None)
ARITHMETIC = [op for op in BinaryOperator if op.is_arithmetic]
ORDERINGS = [op for op in BinaryOperator if op.is_comparison and not op.is_regex]
EQUALITIES = [BinaryOperator.EQUAL, BinaryOperator.NOT_EQUAL]
REGEXES = [BinaryOperator.REGEX, BinaryOperator.NOT_REGEX]

numbers = st.sampled_from(
    [Static(StaticType.INT, value) for value in (-1, 0, 1, 2)]
    + [Static(StaticType.FLOAT, value) for value in (0.0, 0.5, 2.0)]
    + [Static(StaticType.DURATION, value) for value in (0, 1, 2_000)]
)
strings = st.sampled_from([Static(StaticType.STRING, value) for value in ("", "x", "y", "0000000000000000")])
booleans = st.sampled_from([Static(StaticType.BOOL, value=value) for value in (True, False)])
events_attributes = st.builds(Attribute, st.just(AttributeScope.EVENT), st.sampled_from(["a", "b"]))
attributes = st.builds(Attribute, st.sampled_from(AttributeScope), st.sampled_from(["a", "b"]))
string_intrinsics = st.sampled_from(
    [
        Intrinsic(kind)
        for kind in (IntrinsicKind.NAME, IntrinsicKind.EVENT_NAME, IntrinsicKind.PARENT_ID, IntrinsicKind.LINK_SPAN_ID)
    ]
)
number_intrinsics = st.sampled_from(
    [
        Intrinsic(kind)
        for kind in (IntrinsicKind.DURATION, IntrinsicKind.EVENT_TIME_SINCE_START, IntrinsicKind.NESTED_SET_LEFT)
    ]
)


def named(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    @st.composite
    def part(draw: Callable[[st.SearchStrategy[T]], T]) -> T:
        return draw(strategy)

    return part()


arithmetic = named(
    st.recursive(
        numbers | attributes | number_intrinsics,
        lambda inner: (
            st.builds(BinaryOperation, st.sampled_from(ARITHMETIC), inner, inner)
            | st.builds(UnaryOperation, st.just(UnaryOperator.NEGATE), attributes | number_intrinsics)
        ),
        max_leaves=4,
    )
)
texts = strings | attributes | string_intrinsics
simple = named(
    st.builds(
        BinaryOperation,
        st.sampled_from(EQUALITIES),
        attributes | events_attributes,
        st.sampled_from([Static(StaticType.INT, 1), Static(StaticType.STRING, "x"), NIL]),
    )
)
comparisons = named(
    simple
    | simple
    | st.builds(BinaryOperation, st.sampled_from(ORDERINGS), arithmetic, arithmetic)
    | st.builds(BinaryOperation, st.sampled_from(ORDERINGS), texts, texts)
    | st.builds(BinaryOperation, st.sampled_from(REGEXES), texts, strings)
    | st.builds(BinaryOperation, st.sampled_from(EQUALITIES), st.just(NIL), attributes)
)


def _logical(inner: st.SearchStrategy[FieldExpression]) -> st.SearchStrategy[FieldExpression]:
    chains = st.builds(
        LogicalChain, st.sampled_from(LogicalOperator), st.lists(inner, min_size=2, max_size=4).map(tuple)
    )
    tests = st.builds(BinaryOperation, st.sampled_from(EQUALITIES), inner, booleans)
    return chains | chains | chains | tests | st.builds(UnaryOperation, st.just(UnaryOperator.NOT), inner)


conditions = named(st.recursive(comparisons | comparisons | booleans | attributes, _logical, max_leaves=6))

values = st.sampled_from(
    [1, 1, "x", "x", True, True, None, False, 0, 2, 0.5, "y", "", ["x", "y"], [1, 2], [1], [], [1, "x"], b"x", {}]
)
dictionaries = st.dictionaries(st.sampled_from(["a", "b"]), values)
events = st.builds(Event, st.sampled_from(["", "x", "y"]), st.integers(0, 3), dictionaries)
links = st.builds(Link, st.sampled_from(["", "ab"]), st.sampled_from(["", "cd"]), dictionaries)


@st.composite
def traces(draw: Callable[[st.SearchStrategy[T]], T]) -> list[Span]:
    """One trace: each span hangs under one before it, is a root, or is lost."""
    count = draw(st.integers(1, 4))
    return [
        Span(
            trace_id="0" * 31 + "1",
            span_id=f"{place + 1:016x}",
            parent_id=draw(st.sampled_from(["", "f" * 16, *(f"{above + 1:016x}" for above in range(place))])),
            name=draw(st.sampled_from(["", "x", "y"])),
            kind=draw(st.sampled_from(Kind)),
            status=draw(st.sampled_from(Status)),
            start_ns=draw(st.integers(0, 3)),
            duration_ns=draw(st.integers(0, 3)),
            attributes=draw(dictionaries),
            resource=draw(dictionaries),
            scope_attributes=draw(dictionaries),
            events=tuple(draw(st.lists(events, max_size=2))),
            links=tuple(draw(st.lists(links, max_size=2))),
        )
        for place in range(count)
    ]
