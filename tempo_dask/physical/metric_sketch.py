"""`quantile_over_time(x, p...) with (exact=true)`: quantiles that are at most 1 % off, of any numbers.

A sketch counts spans by narrow buckets, each `GROWTH` times as wide as the one before it. The bucket stands as one
more group behind those of `by`, named by the number in its middle; so sketches are counted, joined and bounded like
any other groups, and a bucket that nothing falls into costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.groups import Groups, LabelSet, product
from tempo_dask.physical.metric_count import COUNT
from tempo_dask.physical.metric_function import MetricFunction, Planes, Samples
from tempo_dask.physical.operand_units import divisor_of_buckets
from tempo_dask.physical.operands import numeric
from tempo_dask.physical.values import Values
from tempo_dask.plan.nodes import TimeSeries
from traceql.operators import MetricsFunction
from traceql.types import StaticType

GROWTH = 1.02
#: The number that stands for a bucket, over its upper bound: as far from both bounds.
_MIDDLE = 2 / (1 + GROWTH)
_PER_LOG = 1 / math.log(GROWTH)


def is_sketched(series: TimeSeries) -> bool:
    """Return whether quantiles are wanted from sketches."""
    return series.is_exact and series.aggregate.function is MetricsFunction.QUANTILE


def sketched(groups: Groups, values: Values) -> tuple[Groups, Mask]:
    """Return the groups divided by the buckets of numbers, and which spans have a number."""
    middles, mask = np.zeros(values.rows), np.zeros(values.rows, np.uint8)
    for part in numeric(values).parts:
        found = _middles(part.column.data.astype(np.float64))
        valid = np.isfinite(found).view(np.uint8)
        if part.column.valid is not None:
            valid &= part.column.valid
        middles = np.where(valid, found, middles)
        mask |= valid
    distinct, codes = np.unique(middles, return_inverse=True)
    labels: tuple[LabelSet, ...] = tuple(((StaticType.FLOAT, middle),) for middle in distinct.tolist())
    return product(groups, Groups.of(codes.astype(np.int32), labels)), mask


def _middles(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the middle of the bucket of each number; zero is a bucket of its own."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        buckets = np.ceil(np.log(np.abs(numbers)) * _PER_LOG)
        return np.where(numbers == 0, 0.0, np.sign(numbers) * np.power(GROWTH, buckets) * _MIDDLE)


def sketch_quantiles(
    labels: tuple[LabelSet, ...], planes: Planes, series: TimeSeries
) -> tuple[tuple[LabelSet, ...], list[Samples]]:
    """Return label sets without buckets, and the quantiles of each of them (0 of nothing)."""
    rows: dict[LabelSet, list[int]] = {}
    for row, found in enumerate(labels):
        rows.setdefault(found[:-1], []).append(row)
    quantiles = series.aggregate.quantiles
    samples = np.zeros((len(quantiles), len(rows), series.step_count))
    for group, members in enumerate(rows.values()):
        of_rows = {row: _middle_of(labels[row]) for row in members}
        ordered = sorted(members, key=of_rows.__getitem__)
        middles = np.array([of_rows[row] for row in ordered])
        samples[:, group] = _ranked(middles, planes[0][ordered], quantiles)
    samples /= divisor_of_buckets(series)
    return tuple(rows), [((("p", p),), of_quantile) for p, of_quantile in zip(quantiles, samples, strict=True)]


def _middle_of(labels: LabelSet) -> float:
    bucket = labels[-1]
    return float(bucket[1]) if bucket is not None and isinstance(bucket[1], float) else 0.0


def _ranked(
    middles: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], quantiles: Iterable[float]
) -> npt.NDArray[np.float64]:
    """Return for each quantile and step the bucket of the span of that rank."""
    below = np.cumsum(counts, axis=0)
    totals = below[-1]
    wanted = [np.maximum(np.ceil(p * totals), 1) for p in quantiles]
    return np.array([np.where(totals > 0, middles[np.argmax(below >= rank, axis=0)], 0.0) for rank in wanted])


SKETCH = MetricFunction(COUNT.planes, COUNT.fill, COUNT.join, COUNT.finish, is_valued=True)
