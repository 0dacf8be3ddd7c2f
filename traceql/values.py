"""What operators do to constants, by the rules of evaluation: 64-bit integers, numbers of all kinds side by side."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from traceql.ast import Static
from traceql.errors import ParseError
from traceql.operators import BinaryOperator, UnaryOperator
from traceql.types import MIN_INT, StaticType

_COMPARE: dict[BinaryOperator, Callable[[Any, Any], bool]] = {
    BinaryOperator.EQUAL: operator.eq,
    BinaryOperator.NOT_EQUAL: operator.ne,
    BinaryOperator.LESS: operator.lt,
    BinaryOperator.LESS_EQUAL: operator.le,
    BinaryOperator.GREATER: operator.gt,
    BinaryOperator.GREATER_EQUAL: operator.ge,
}


def wrap(value: int) -> int:
    """The 64-bit integer with the same low bits."""
    return (value - MIN_INT) % 2**64 + MIN_INT


def fold_unary(op: UnaryOperator, operand: Static) -> Static | None:
    """The constant that `op operand` is; None when it is none."""
    match op, operand.value:
        case UnaryOperator.NOT, bool(value):
            return Static(StaticType.BOOL, not value)
        case UnaryOperator.NEGATE, int(value) if operand.type in (StaticType.INT, StaticType.DURATION):
            return Static(operand.type, wrap(-value))
        case UnaryOperator.NEGATE, float(value):
            return Static(StaticType.FLOAT, -value)
        case _:
            return None


def fold_binary(op: BinaryOperator, lhs: Static, rhs: Static) -> Static | None:
    """The constant that `lhs op rhs` is; None when it is illegal, a regex, a test for nil, or no finite number.

    Raises ParseError for an integer division by zero.
    """
    is_legal = lhs.type.matches(rhs.type) and op.fits(lhs.type) and op.fits(rhs.type)
    if not is_legal or op.is_regex or StaticType.NIL in (lhs.type, rhs.type):
        return None
    if op.is_comparison:
        return Static(StaticType.BOOL, _COMPARE[op](_comparable(lhs), _comparable(rhs)))
    is_sum = op in (BinaryOperator.ADD, BinaryOperator.SUBTRACT)
    if lhs.type is rhs.type and (lhs.type is StaticType.INT or (lhs.type is StaticType.DURATION and is_sum)):
        integer = _integers(op, lhs.value, rhs.value)  # type: ignore[arg-type]  # by type
        return None if integer is None else Static(lhs.type, integer)
    value = _floats(op, float(lhs.value), float(rhs.value))  # type: ignore[arg-type]  # numeric, as arithmetic fits
    return Static(StaticType.FLOAT, value) if math.isfinite(value) else None


def _comparable(static: Static) -> Any:
    """Strings compare bytewise."""
    return static.value.encode("utf-8", "surrogatepass") if isinstance(static.value, str) else static.value


def _integers(op: BinaryOperator, lhs: int, rhs: int) -> int | None:
    match op:
        case BinaryOperator.ADD:
            return wrap(lhs + rhs)
        case BinaryOperator.SUBTRACT:
            return wrap(lhs - rhs)
        case BinaryOperator.MULTIPLY:
            return wrap(lhs * rhs)
        case BinaryOperator.POWER:
            return _power(lhs, rhs)
    if rhs == 0:
        raise ParseError("runtime error: integer divide by zero")
    quotient = abs(lhs) // abs(rhs) * (1 if (lhs < 0) == (rhs < 0) else -1)
    return wrap(quotient if op is BinaryOperator.DIVIDE else lhs - quotient * rhs)


def _power(base: int, exponent: int) -> int | None:
    """Of integers: exact but for the wrap. A negative exponent gives the whole part of the fraction, for zero none."""
    if exponent >= 0:
        return wrap(pow(base, exponent, 2**64))
    if base == 0:
        return None
    return base ** (exponent % 2) if abs(base) == 1 else 0


def _floats(op: BinaryOperator, lhs: float, rhs: float) -> float:
    """IEEE arithmetic; what Python raises for is not finite here."""
    try:
        match op:
            case BinaryOperator.ADD:
                return lhs + rhs
            case BinaryOperator.SUBTRACT:
                return lhs - rhs
            case BinaryOperator.MULTIPLY:
                return lhs * rhs
            case BinaryOperator.DIVIDE:
                return lhs / rhs
            case BinaryOperator.MODULO:
                return math.fmod(lhs, rhs)
            case _:
                return math.pow(lhs, rhs)
    except (ArithmeticError, ValueError):
        return math.nan
