"""`sum_over_time(x)` and `avg_over_time(x)`: integers and durations exactly, floats with compensation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.sums import add_sums, sum_floats, sum_integers
from tempo_dask.physical.metric_function import MetricFunction, Plane, Planes, Samples, Spans
from tempo_dask.physical.operand_units import divisor_of_sums
from tempo_dask.physical.operands import numeric
from tempo_dask.physical.values import Part, Values
from tempo_dask.plan.nodes import TimeSeries

#: Upper and lower halves of integers, floats and what rounding took from them, how many.
_PLANES = (Plane(0, np.int64), Plane(0, np.int64), Plane(0, np.float64), Plane(0, np.float64), Plane(0, np.int64))


def _fill(spans: Spans, values: Values | None) -> Planes:
    planes = tuple(plane.of(*spans.shape) for plane in _PLANES)
    for part in numeric(values).parts if values is not None else ():
        planes = _join(planes, _fill_part(part, spans))
    return planes


def _fill_part(part: Part, spans: Spans) -> Planes:
    mask, cells, count = spans.mask_of(part), spans.cells, spans.shape[0] * spans.shape[1]
    chosen = cells[mask.view(np.bool_) & (cells >= 0)]
    counts = np.bincount(chosen, minlength=count)
    zeros = np.zeros(count, np.int64)
    data: npt.NDArray[Any] = part.column.data
    if data.dtype == np.float64:
        planes: Planes = (zeros, zeros, *sum_floats(data, mask, cells, count), counts)
    else:
        planes = (*sum_integers(data, mask, cells, count), zeros.astype(np.float64), zeros.astype(np.float64), counts)
    return tuple(plane.reshape(spans.shape) for plane in planes)


def _join(some: Planes, more: Planes) -> Planes:
    floats = add_sums(some[2], some[3], more[2], more[3])
    return some[0] + more[0], some[1] + more[1], *floats, some[4] + more[4]


def _sums(planes: Planes) -> npt.NDArray[np.float64]:
    high, low, floats, lost, counts = planes
    # What overflowed or is no number has lost itself, not a little of it.
    sums = high * 2.0**32 + low + floats + np.where(np.isfinite(floats), lost, 0.0)
    return np.where(counts > 0, sums, np.nan)


def _finish_sum(planes: Planes, series: TimeSeries) -> Iterable[Samples]:
    return [((), _sums(planes) / divisor_of_sums(series))]


def _finish_average(planes: Planes, series: TimeSeries) -> Iterable[Samples]:
    return [((), _sums(planes) / np.maximum(planes[4], 1) / divisor_of_sums(series))]


SUM = MetricFunction(_PLANES, _fill, _join, _finish_sum, is_valued=True)
AVG = MetricFunction(_PLANES, _fill, _join, _finish_average, is_valued=True)
