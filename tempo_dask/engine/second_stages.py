"""What is done with finished series: `topk(3)`, `bottomk(3)`, `> 0.5`. A point that is dropped becomes NaN."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tempo_dask.engine.results import Series
from traceql.ast import BottomK, MetricsFilter, SecondStage, TopK
from traceql.operators import BinaryOperator
from traceql.types import StaticType

Points = npt.NDArray[np.float64]

_NS_PER_S = 1e9
_COMPARE: Mapping[BinaryOperator, Callable[[Any, Any], Any]] = {
    BinaryOperator.EQUAL: operator.eq,
    BinaryOperator.NOT_EQUAL: operator.ne,
    BinaryOperator.LESS: operator.lt,
    BinaryOperator.LESS_EQUAL: operator.le,
    BinaryOperator.GREATER: operator.gt,
    BinaryOperator.GREATER_EQUAL: operator.ge,
}


def apply_second_stages(stages: Sequence[SecondStage], series: Sequence[Series]) -> tuple[Series, ...]:
    """Return the series with the points that pass all stages, without the series that have none left."""
    if not stages or not series:
        return tuple(series)
    points = np.array([one.values for one in series])
    for stage in stages:
        points = np.where(_kept(stage, points), points, np.nan)
    left = (replace(one, values=values) for one, values in zip(series, points, strict=True))
    return tuple(one for one in left if not np.isnan(one.values).all())


@singledispatch
def _kept(stage: SecondStage, points: Points) -> npt.NDArray[np.bool_]:
    """Return which points (series, times) pass a stage."""
    raise NotImplementedError(type(stage))


@_kept.register
def _top(stage: TopK, points: Points) -> npt.NDArray[np.bool_]:
    return _ranks(-points) < stage.limit


@_kept.register
def _bottom(stage: BottomK, points: Points) -> npt.NDArray[np.bool_]:
    # Of equal points the last series are kept, so they come first here.
    return _ranks(points[::-1])[::-1] < stage.limit


@_kept.register
def _filter(stage: MetricsFilter, points: Points) -> npt.NDArray[np.bool_]:
    value = cast("float", stage.value.value)
    seconds = value / _NS_PER_S if stage.value.type is StaticType.DURATION else value
    return np.asarray(_COMPARE[stage.op](points, seconds), np.bool_)


def _ranks(points: Points) -> npt.NDArray[np.int64]:
    """Return the place of each point among those of its time, the least first, NaN last."""
    return np.argsort(np.argsort(points, axis=0, kind="stable"), axis=0, kind="stable")
