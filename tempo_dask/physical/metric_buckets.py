"""`histogram_over_time(x)` and `quantile_over_time(x, p...)`: spans per power-of-two bucket, and quantiles of these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.buckets import BUCKETS, count_buckets
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
    """Return the quantile of each cell, interpolated on the logarithm within the bucket it falls into; 0 of nothing."""
    totals = counts.sum(axis=-1)
    wanted = np.maximum(np.ceil(quantile * totals), 1)
    below = np.cumsum(counts, axis=-1)
    # The first bucket with which the sum reaches what is wanted, and the last one before it that holds anything.
    bucket = np.argmax(below >= wanted[..., np.newaxis], axis=-1)
    before = np.take_along_axis(below - counts, bucket[..., np.newaxis], -1)[..., 0]
    within = np.take_along_axis(counts, bucket[..., np.newaxis], -1)[..., 0]
    numbers = np.where(counts > 0, np.arange(BUCKETS), -1)
    last = np.maximum.accumulate(numbers, axis=-1)
    lower = np.where(bucket > 0, np.take_along_axis(last, np.maximum(bucket - 1, 0)[..., np.newaxis], -1)[..., 0], -1)
    lower = np.where(lower < 0, bucket - 1, lower)
    part = (wanted - before) / np.maximum(within, 1)
    return np.where(totals > 0, 2.0 ** (lower + (bucket - lower) * part), 0.0)


HISTOGRAM = MetricFunction(_PLANES, _fill, add_planes, _histogram)
QUANTILE = MetricFunction(_PLANES, _fill, add_planes, _quantiles, is_valued=True)
