"""What results show of a span: the attributes a query touched, as far as their values fit what it asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.oracle_fields import At, comparable_id, evaluate, mentions_event, mentions_link
from tests.oracle_values import ABSENT, HIDDEN, compare
from traceql import Condition, Query, conditions_of
from traceql.ast import Attribute, AttributeReference, Intrinsic, Static
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.operators import BinaryOperator
from traceql.types import StaticType

# Told in fields of their own.
NOT_ATTRIBUTES = {
    IntrinsicKind.DURATION,
    IntrinsicKind.TRACE_DURATION,
    IntrinsicKind.TRACE_ROOT_NAME,
    IntrinsicKind.TRACE_ROOT_SERVICE,
    IntrinsicKind.TRACE_ID,
    IntrinsicKind.SPAN_ID,
}
# What a selected intrinsic shows on a span that has no event or link.
EMPTY = {
    IntrinsicKind.EVENT_NAME: Static(StaticType.STRING, ""),
    IntrinsicKind.EVENT_TIME_SINCE_START: Static(StaticType.DURATION, 0),
    IntrinsicKind.LINK_TRACE_ID: Static(StaticType.STRING, ""),
    IntrinsicKind.LINK_SPAN_ID: Static(StaticType.STRING, "0" * 16),
}


def displayed(query: Query, at: At) -> list[tuple[str, Static]]:
    """Key and value of each attribute that a result shows of the span; nil stands for a tested absence."""
    asked: dict[AttributeReference, list[Condition]] = {}
    for condition in conditions_of(query).conditions:
        for reference in _places(condition.attribute):
            asked.setdefault(reference, []).append(condition)
    shown = ((_key(reference), _value(reference, conditions, at)) for reference, conditions in asked.items())
    return [(key, value) for key, value in shown if value is not None]


def _places(reference: AttributeReference) -> Iterator[AttributeReference]:
    """An unscoped attribute shows both where it is the span's and where it is the resource's."""
    match reference:
        case Intrinsic(kind=kind) if kind in NOT_ATTRIBUTES:
            return
        case Attribute(scope=AttributeScope.UNSCOPED):
            yield replace(reference, scope=AttributeScope.SPAN)
            yield replace(reference, scope=AttributeScope.RESOURCE)
        case _:
            yield reference


def _key(reference: AttributeReference) -> str:
    return reference.name if isinstance(reference, Attribute) else reference.kind.value


def _value(reference: AttributeReference, conditions: list[Condition], at: At) -> Static | None:
    """Of several events or links the last value that fits, an absence where none has one; of an array what fits."""
    is_free = any(condition.op is None for condition in conditions)
    values = _values(reference, at)
    if not values and isinstance(reference, Intrinsic) and is_free:
        return EMPTY[reference.kind]
    for value in reversed([value for value in values if value != ABSENT] or [ABSENT]):
        if value.type.is_array and not is_free:
            elements = (Static(value.type.element, element) for element in value.value)
            fitting = [element for element in elements if _fits(element, conditions, reference)]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                return Static(value.type, tuple(element.value for element in fitting))
        elif _fits(value, conditions, reference):
            return value
    return None


def _values(reference: AttributeReference, at: At) -> list[Static]:
    if mentions_event(reference):
        return [evaluate(reference, replace(at, event=event)) for event in at.span.events]
    if mentions_link(reference):
        return [evaluate(reference, replace(at, link=link)) for link in at.span.links]
    return [evaluate(reference, at)]


def _fits(value: Static, conditions: list[Condition], reference: AttributeReference) -> bool:
    """Whether the value passes any of the conditions on its attribute."""
    return value != HIDDEN and any(_passes(value, condition, reference) for condition in conditions)


def _passes(value: Static, condition: Condition, reference: AttributeReference) -> bool:
    if condition.op is None or condition.value is None:
        return value != ABSENT
    if condition.value == ABSENT:
        return (value == ABSENT) == (condition.op is BinaryOperator.EQUAL)
    if isinstance(reference, Intrinsic):
        return compare(
            condition.op, comparable_id(reference.kind, value), comparable_id(reference.kind, condition.value)
        )
    return compare(condition.op, value, condition.value)
