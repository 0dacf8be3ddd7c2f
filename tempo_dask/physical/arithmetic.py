"""Arithmetic on values: integers stay integers and wrap around, sums of durations durations, all else is floats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from storage.columns import Column
from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.values import Part, Values
from traceql.operators import BinaryOperator
from traceql.types import StaticType

Numbers: TypeAlias = npt.NDArray[Any]


def compute(op: BinaryOperator, lhs: Values, rhs: Values) -> Values:
    """Return `lhs op rhs` for rows where both are numbers; the other rows have no value."""
    numbers = [
        _compute_parts(op, left, right)
        for left in lhs.parts
        for right in rhs.parts
        if left.type.is_numeric and right.type.is_numeric
    ]
    return Values(lhs.rows, tuple(numbers))


def _compute_parts(op: BinaryOperator, left: Part, right: Part) -> Part:
    valid = _both(left.column.valid, right.column.valid)
    lhs, rhs = left.column.data, right.column.data
    with np.errstate(all="ignore"):
        if left.type is right.type and (left.type is StaticType.INT or _are_summed(op, left.type)):
            return Part(left.type, Column(_INTEGER[op](lhs, rhs), _both(valid, _has_result(op, lhs, rhs))))
        return Part(StaticType.FLOAT, Column(_FLOAT[op](lhs.astype(np.float64), rhs.astype(np.float64)), valid))


def _are_summed(op: BinaryOperator, type_: StaticType) -> bool:
    """Sums and differences of durations are durations."""
    return type_ is StaticType.DURATION and op in (BinaryOperator.ADD, BinaryOperator.SUBTRACT)


def _has_result(op: BinaryOperator, left: Numbers, right: Numbers) -> Mask | None:
    """Return where integers can be divided, None for all."""
    if op in (BinaryOperator.DIVIDE, BinaryOperator.MODULO):
        divisible: Mask = (right != 0).view(np.uint8)
        return divisible
    if op is BinaryOperator.POWER:
        finite: Mask = ((left != 0) | (right >= 0)).view(np.uint8)
        return finite
    return None


def _both(left: Mask | None, right: Mask | None) -> Mask | None:
    if left is None or right is None:
        return right if left is None else left
    return left & right


def _divide(left: Numbers, right: Numbers) -> Numbers:
    """Divide and truncate towards zero, exactly; anything where the divisor is zero."""
    divisor = np.where(right == 0, 1, right)
    quotient: Numbers = left // divisor
    quotient += (left % divisor != 0) & ((left < 0) != (divisor < 0))
    return quotient


def _power(left: Numbers, right: Numbers) -> Numbers:
    """Raise integers; a negative exponent gives the truncated fraction: 1, -1 or 0."""
    powers = np.power(left, np.maximum(right, 0))
    units = np.where(np.abs(left) == 1, np.where(right % 2 == 0, 1, left), 0)
    return np.where(right < 0, units, powers)


def _remainder(left: Numbers, right: Numbers) -> Numbers:
    return np.fmod(left, np.where(right == 0, 1, right))


_INTEGER: Mapping[BinaryOperator, Callable[[Numbers, Numbers], Numbers]] = {
    BinaryOperator.ADD: np.add,
    BinaryOperator.SUBTRACT: np.subtract,
    BinaryOperator.MULTIPLY: np.multiply,
    BinaryOperator.DIVIDE: _divide,
    BinaryOperator.MODULO: _remainder,
    BinaryOperator.POWER: _power,
}
_FLOAT: Mapping[BinaryOperator, Callable[[Numbers, Numbers], Numbers]] = {
    BinaryOperator.ADD: np.add,
    BinaryOperator.SUBTRACT: np.subtract,
    BinaryOperator.MULTIPLY: np.multiply,
    BinaryOperator.DIVIDE: np.divide,
    BinaryOperator.MODULO: np.fmod,
    BinaryOperator.POWER: np.power,
}
