"""Arithmetic on values: integers stay integers and wrap around, all else is computed in floats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.columns import Column
from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.values import Part, Values
from traceql.operators import BinaryOperator
from traceql.types import StaticType

Numbers = npt.NDArray[Any]


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
    with np.errstate(all="ignore"):
        if left.type is StaticType.INT and right.type is StaticType.INT:
            if op in _WITH_DIVISOR:
                nonzero: Mask = (right.column.data != 0).view(np.uint8)
                valid = _both(valid, nonzero)
            return Part(StaticType.INT, Column(_INTEGER[op](left.column.data, right.column.data), valid))
        floats = (side.column.data.astype(np.float64) for side in (left, right))
        return Part(_float_type(op, left.type, right.type), Column(_FLOAT[op](*floats), valid))


def _float_type(op: BinaryOperator, left: StaticType, right: StaticType) -> StaticType:  # noqa: ARG001
    return StaticType.FLOAT


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


_WITH_DIVISOR = frozenset({BinaryOperator.DIVIDE, BinaryOperator.MODULO})
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
