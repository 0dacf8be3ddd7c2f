"""Arithmetic between series: those with equal labels are joined point by point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tempo_dask.engine.labels import LabelsKey, key_of
from tempo_dask.engine.results import Labels, Series
from traceql.operators import BinaryOperator

_COMPUTE: Mapping[BinaryOperator, Callable[[Any, Any], Any]] = {
    BinaryOperator.ADD: np.add,
    BinaryOperator.SUBTRACT: np.subtract,
    BinaryOperator.MULTIPLY: np.multiply,
    BinaryOperator.DIVIDE: np.divide,
    BinaryOperator.MODULO: np.fmod,
    BinaryOperator.POWER: np.power,
}


def combined(op: BinaryOperator, lhs: Sequence[Series], rhs: Sequence[Series]) -> list[Series]:
    """Return a series for each label set that both sides have, under the labels of the left one.

    The name of a function is no label to join by, so `sum_over_time(x) / count_over_time()` works. What is no number
    (0 / 0, or a side without a sample) is no sample.
    """
    others = {_joined_by(one.labels): one for one in rhs}
    pairs = ((one, others[key]) for one in lhs if (key := _joined_by(one.labels)) in others)
    with np.errstate(all="ignore"):
        found = [Series(one.labels, _COMPUTE[op](one.values, other.values)) for one, other in pairs]
    return [one for one in found if not np.isnan(one.values).all()]


def _joined_by(labels: Labels) -> LabelsKey:
    return () if len(labels) == 1 and labels[0][0] == "__name__" else key_of(labels)
