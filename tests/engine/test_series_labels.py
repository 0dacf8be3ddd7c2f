"""Labels are typed: 1, 1.0 and true are different groups, although Python takes them for equal."""

from __future__ import annotations

import numpy as np

from tempo_dask.engine.labels import group_order
from tempo_dask.engine.results import Series, Value
from tempo_dask.engine.series_arithmetic import combined
from traceql.operators import BinaryOperator
from traceql.types import StaticType


def series(label: Value, sample: float) -> Series:
    return Series((("span.a", label),), np.array([sample]))


def test_series_join_those_of_their_type() -> None:
    lhs = [series(1, 10.0), series(1.0, 20.0), series(True, 30.0)]
    rhs = [series(True, 3.0), series(1, 1.0), series(1.0, 2.0), series("1", 4.0)]
    joined = combined(BinaryOperator.ADD, lhs, rhs)
    assert [one.values.tolist() for one in joined] == [[11.0], [22.0], [33.0]]


def test_groups_that_read_alike_have_an_order() -> None:
    groups = [((StaticType.STRING_ARRAY, "nil"),), (None,), ((StaticType.INT, 1),)]
    assert sorted(groups, key=group_order) == [groups[1], groups[2], groups[0]]
