"""`histogram_over_time(x)` and `quantile_over_time(x, p...)`: spans per power-of-two bucket, and quantiles of these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.buckets import BUCKETS, count_buckets, quantile_exponents
from tempo_dask.physical.metric_function import MetricFunction, Plane, Planes, Samples, Spans, add_planes
from tempo_dask.physical.operand_units import divisor_of_buckets
from tempo_dask.physical.operands import numeric
from tempo_dask.physical.values import Values
from tempo_dask.plan.nodes import TimeSeries

_PLANES = (Plane(0, np.int64, (BUCKETS,)),)


def _fill(spans: Spans, values: Values | None) -> Planes:
    counts = _PLANES[0].of(*spans.shape)
    for part in numeric(values).parts if values is not None else ():
        data: npt.NDArray[Any] = part.column.data
        if data.dtype == np.int64:  # floats have no buckets
            found = count_buckets(data, spans.mask_of(part), spans.cells, spans.shape[0] * spans.shape[1])
            counts += found.reshape(counts.shape)
    return (counts,)


def _histogram(planes: Planes, series: TimeSeries) -> Iterable[Samples]:
    counts = planes[0]
    for bucket in np.flatnonzero(counts.any(axis=(0, 1))).tolist():
        of_bucket = counts[:, :, bucket]
        seen = of_bucket.any(axis=1, keepdims=True)
        yield (("__bucket", 2.0**bucket / divisor_of_buckets(series)),), np.where(seen, of_bucket, np.nan)


def _quantiles(planes: Planes, series: TimeSeries) -> Iterable[Samples]:
    for quantile in series.aggregate.quantiles:
        yield (("p", quantile),), _quantile(planes[0], quantile) / divisor_of_buckets(series)


def _quantile(counts: npt.NDArray[np.int64], quantile: float) -> npt.NDArray[np.float64]:
    """Return the quantile of each cell, 0 of nothing."""
    return 2.0 ** quantile_exponents(counts.reshape(-1, BUCKETS), quantile).reshape(counts.shape[:-1])


HISTOGRAM = MetricFunction(_PLANES, _fill, add_planes, _histogram)
QUANTILE = MetricFunction(_PLANES, _fill, add_planes, _quantiles, is_valued=True)
