"""Values as queries see them: what is stored becomes a `Static`, and statics are compared and computed with."""

from __future__ import annotations

import math
from collections.abc import Callable

from traceql.ast import Static
from traceql.operators import BinaryOperator
from traceql.regex import python_pattern
from traceql.types import StaticType

# An attribute that is not there, and one whose kind no query sees.
ABSENT = Static(StaticType.NIL, None)
HIDDEN = Static(StaticType.ATTRIBUTE, None)
TRUE = Static(StaticType.BOOL, value=True)
FALSE = Static(StaticType.BOOL, value=False)


class EvaluationError(Exception):
    """A value met an operator that cannot take it; the whole query fails."""


def static_of(value: object) -> Static:
    """A stored value as queries see it: an array of one is its element, mixed, nested and empty ones are hidden."""
    match value:
        case bool():
            return Static(StaticType.BOOL, value)
        case int():
            return Static(StaticType.INT, value)
        case float():
            return Static(StaticType.FLOAT, value)
        case str():
            return Static(StaticType.STRING, value)
        case list() | tuple() if len(value) == 1:
            return static_of(value[0])
        case list() | tuple() if value and len({type(item) for item in value}) == 1:
            kind = _ARRAYS.get(type(value[0]))
            return Static(kind, tuple(value)) if kind else HIDDEN
    return HIDDEN


_ARRAYS: dict[type, StaticType] = {
    bool: StaticType.BOOL_ARRAY,
    int: StaticType.INT_ARRAY,
    float: StaticType.FLOAT_ARRAY,
    str: StaticType.STRING_ARRAY,
}


def compare(op: BinaryOperator, lhs: Static, rhs: Static) -> bool:
    """Any element of an array may satisfy; numbers compare by value; all else only with its own type."""
    if lhs.type.is_array or rhs.type.is_array:
        return any(compare(op, one, other) for one in _elements(lhs) for other in _elements(rhs))
    is_comparable = lhs.type is rhs.type or (lhs.type.is_numeric and rhs.type.is_numeric)
    if not is_comparable or not op.fits(lhs.type) or lhs.type in (StaticType.NIL, StaticType.ATTRIBUTE):
        return False
    if op.is_regex:
        return (python_pattern(str(rhs.value)).fullmatch(str(lhs.value)) is not None) == (op is BinaryOperator.REGEX)
    left, right = (str(side.value).encode() if side.type is StaticType.STRING else side.value for side in (lhs, rhs))
    return _ORDER[op](left, right)


_ORDER: dict[BinaryOperator, Callable[..., bool]] = {
    BinaryOperator.EQUAL: lambda left, right: left == right,
    BinaryOperator.NOT_EQUAL: lambda left, right: left != right,
    BinaryOperator.LESS: lambda left, right: left < right,
    BinaryOperator.LESS_EQUAL: lambda left, right: left <= right,
    BinaryOperator.GREATER: lambda left, right: left > right,
    BinaryOperator.GREATER_EQUAL: lambda left, right: left >= right,
}


def _elements(value: Static) -> list[Static]:
    if not value.type.is_array or not isinstance(value.value, tuple):
        return [value]
    return [Static(value.type.element, item) for item in value.value]


def wrap(value: int) -> int:
    """As 64 bits overflow."""
    return (value + 2**63) % 2**64 - 2**63


def arithmetic(op: BinaryOperator, lhs: Static, rhs: Static) -> Static:
    """Integers stay integers, sums and differences of durations stay durations, all else is a float.

    Without two numbers, or with a division of integers by zero, there is no result.
    """
    if lhs.type.is_array or rhs.type.is_array:
        raise EvaluationError("unsupported operation")
    if not (lhs.type.is_numeric and rhs.type.is_numeric):
        return ABSENT
    is_sum = op in (BinaryOperator.ADD, BinaryOperator.SUBTRACT)
    if lhs.type is rhs.type and (lhs.type is StaticType.INT or (lhs.type is StaticType.DURATION and is_sum)):
        value = _integers(op, lhs.value, rhs.value)
        return ABSENT if value is None else Static(lhs.type, wrap(value))
    return Static(StaticType.FLOAT, _floats(op, float(lhs.value), float(rhs.value)))


def _integers(op: BinaryOperator, left: int, right: int) -> int | None:
    """None for a division by zero."""
    match op:
        case BinaryOperator.ADD:
            return left + right
        case BinaryOperator.SUBTRACT:
            return left - right
        case BinaryOperator.MULTIPLY:
            return left * right
        case BinaryOperator.POWER if right >= 0:
            return pow(left, right, 2**64)
        case BinaryOperator.POWER:
            return {0: None, 1: 1, -1: (-1) ** (right % 2)}.get(left, 0)
    if right == 0:
        return None
    quotient = abs(left) // abs(right) * (1 if left * right >= 0 else -1)
    return quotient if op is BinaryOperator.DIVIDE else left - quotient * right


def _floats(op: BinaryOperator, left: float, right: float) -> float:
    match op:
        case BinaryOperator.ADD:
            return left + right
        case BinaryOperator.SUBTRACT:
            return left - right
        case BinaryOperator.MULTIPLY:
            return left * right
        case BinaryOperator.DIVIDE if right == 0:
            return (
                math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
            )
        case BinaryOperator.DIVIDE:
            return left / right
        case BinaryOperator.MODULO:
            return math.fmod(left, right) if right != 0 and not math.isinf(left) else math.nan
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan
