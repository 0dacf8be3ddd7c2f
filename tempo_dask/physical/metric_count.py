"""`rate()` and `count_over_time()`: spans per step, zeros included."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tempo_dask.kernels.series import count_cells
from tempo_dask.physical.metric_function import MetricFunction, Plane, Planes, Samples, Spans, add_planes
from tempo_dask.physical.values import Values
from tempo_dask.plan.nodes import TimeSeries

_NS_PER_S = 1_000_000_000
_COUNTS = (Plane(0, np.int64),)


def _fill(spans: Spans, values: Values | None) -> Planes:  # noqa: ARG001  # counts need no operand
    groups, steps = spans.groups, (spans.start_ns, spans.step_ns, spans.step_count)
    return (count_cells(spans.starts, spans.mask, groups.rows, groups.numbers, len(groups.labels), steps),)


def _counts(planes: Planes, series: TimeSeries) -> Iterable[Samples]:  # noqa: ARG001  # one signature for all
    return [((), planes[0].astype(np.float64))]


def _rates(planes: Planes, series: TimeSeries) -> Iterable[Samples]:
    return [((), planes[0] / (series.step_ns / _NS_PER_S))]


RATE = MetricFunction(_COUNTS, _fill, add_planes, _rates)
COUNT = MetricFunction(_COUNTS, _fill, add_planes, _counts)
