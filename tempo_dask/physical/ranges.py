"""A comparison of numbers with a constant as one closed range of numbers, exact across integers and floats."""

from __future__ import annotations

import math

import numpy as np

from traceql.operators import BinaryOperator
from traceql.types import MAX_INT, MIN_INT

_Number = int | float


def integer_range(op: BinaryOperator, value: _Number) -> tuple[int, int] | None:
    """Return the integers for which `x op value` holds (`!=` as `=`), None where there are none."""
    if math.isnan(value):
        return None
    low, high = MIN_INT, MAX_INT
    match op:
        case BinaryOperator.EQUAL | BinaryOperator.NOT_EQUAL:
            low, high = _up(value), _down(value)
        case BinaryOperator.LESS:
            high = _up(value) - 1
        case BinaryOperator.LESS_EQUAL:
            high = _down(value)
        case BinaryOperator.GREATER:
            low = _down(value) + 1
        case BinaryOperator.GREATER_EQUAL:
            low = _up(value)
    low, high = max(low, MIN_INT), min(high, MAX_INT)
    return (low, high) if low <= high else None


def float_range(op: BinaryOperator, value: _Number) -> tuple[float, float] | None:
    """Return the floats for which `x op value` holds (`!=` as `=`), None where there are none."""
    if math.isnan(value):
        return None
    nearest = float(value)
    low, high = -math.inf, math.inf
    match op:
        case BinaryOperator.EQUAL | BinaryOperator.NOT_EQUAL:
            low, high = (nearest, nearest) if nearest == value else (math.inf, -math.inf)
        case BinaryOperator.LESS:
            high = nearest if nearest < value else float(np.nextafter(nearest, -math.inf))
            if nearest == -math.inf:
                return None
        case BinaryOperator.LESS_EQUAL:
            high = nearest if nearest <= value else float(np.nextafter(nearest, -math.inf))
        case BinaryOperator.GREATER:
            low = nearest if nearest > value else float(np.nextafter(nearest, math.inf))
            if nearest == math.inf:
                return None
        case BinaryOperator.GREATER_EQUAL:
            low = nearest if nearest >= value else float(np.nextafter(nearest, math.inf))
    return (low, high) if low <= high else None


def _up(value: _Number) -> int:
    return math.ceil(value) if math.isfinite(value) else _beyond(value)


def _down(value: _Number) -> int:
    return math.floor(value) if math.isfinite(value) else _beyond(value)


def _beyond(value: _Number) -> int:
    """Return an integer past every 64-bit one on the side of an infinity."""
    return MAX_INT + 2 if value > 0 else MIN_INT - 2
