"""`min_over_time(x)` and `max_over_time(x)`: least and greatest number per step, nothing where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.aggregates import Reduced, reduce_by_group
from tempo_dask.physical.metric_function import MetricFunction, Plane, Planes, Samples, Spans
from tempo_dask.physical.operand_units import divisor_of_sums
from tempo_dask.physical.operands import numeric
from tempo_dask.physical.values import Values
from tempo_dask.plan.nodes import TimeSeries


def _fill(spans: Spans, values: Values | None, *, is_least: bool) -> Planes:
    planes = tuple(plane.of(*spans.shape) for plane in _planes(is_least=is_least))
    for part in numeric(values).parts if values is not None else ():
        found = _reduced(part.column.data, spans, spans.mask_of(part))
        extremes = np.where(found.counts > 0, found.least if is_least else found.greatest, planes[0].flat[:1])
        more = (extremes.reshape(spans.shape), found.counts.reshape(spans.shape))
        planes = _join(planes, more, is_least=is_least)
    return planes


def _reduced(data: npt.NDArray[Any], spans: Spans, mask: npt.NDArray[np.uint8]) -> Reduced:
    cells = spans.cells
    inside = mask & (cells >= 0).view(np.uint8)
    return reduce_by_group(data, inside, cells.astype(np.uint32), spans.shape[0] * spans.shape[1])


def _planes(*, is_least: bool) -> tuple[Plane, Plane]:
    return Plane(np.inf if is_least else -np.inf, np.float64), Plane(0, np.int64)


def _join(some: Planes, more: Planes, *, is_least: bool) -> Planes:
    return (np.minimum if is_least else np.maximum)(some[0], more[0]), some[1] + more[1]


def _finish(planes: Planes, series: TimeSeries) -> Iterable[Samples]:
    extremes, counts = planes
    return [((), np.where(counts > 0, extremes / divisor_of_sums(series), np.nan))]


def _function(*, is_least: bool) -> MetricFunction:
    fill, join = partial(_fill, is_least=is_least), partial(_join, is_least=is_least)
    return MetricFunction(_planes(is_least=is_least), fill, join, _finish, is_valued=True)


MIN, MAX = _function(is_least=True), _function(is_least=False)
