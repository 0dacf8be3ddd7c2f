"""`quantile_over_time(x, p...) with (exact=true)`: quantiles that are at most 1 % off, of any numbers.

A sketch counts spans by narrow buckets, each `GROWTH` times as wide as the one before it. The bucket stands as one
more group behind those of `by`, named by the number in its middle; so sketches are counted, joined and bounded like
any other groups, and a bucket that nothing falls into costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.groups import Groups, LabelSet, distinct_numbers, product
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
#: Added to buckets of sizes, so that even the smallest is positive; a negative number has its size's, negated.
_SHIFT = 40_000


def is_sketched(series: TimeSeries) -> bool:
    """Return whether quantiles are wanted from sketches."""
    return series.is_exact and series.aggregate.function is MetricsFunction.QUANTILE


def sketched(groups: Groups, values: Values) -> tuple[Groups, Mask]:
    """Return the groups divided by the buckets of numbers, and which spans have a number."""
    buckets, mask = np.zeros(values.rows, np.int64), np.zeros(values.rows, np.uint8)
    for part in numeric(values).parts:
        found, valid = _buckets(part.column.data.astype(np.float64))
        if part.column.valid is not None:
            valid &= part.column.valid
        buckets = np.where(valid, found, buckets)
        mask |= valid
    buckets = np.where(mask, buckets, buckets[mask.argmax()])  # those that do not count widen no range
    distinct, codes = distinct_numbers(buckets)
    labels: tuple[LabelSet, ...] = tuple(((StaticType.FLOAT, middle),) for middle in _middles(distinct).tolist())
    return product(groups, Groups.of(codes, labels)), mask


def _buckets(numbers: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], Mask]:
    """Return the bucket of each number, in their order, zero in one of its own; and which are finite numbers."""
    finite = np.isfinite(numbers)
    sizes = np.abs(numbers)
    is_counted = finite & (sizes > 0)
    logs = np.log(sizes, where=is_counted, out=np.zeros(len(numbers)))
    buckets = np.ceil(logs * _PER_LOG).astype(np.int64) + _SHIFT
    return np.where(is_counted, np.where(numbers < 0, -buckets, buckets), 0), finite.view(np.uint8)


def _middles(buckets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the number that stands for each bucket."""
    with np.errstate(over="ignore"):
        sizes = np.power(GROWTH, np.abs(buckets) - float(_SHIFT)) * _MIDDLE
        found: npt.NDArray[np.float64] = np.sign(buckets) * sizes
        return found


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
