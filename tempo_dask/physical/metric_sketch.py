"""`quantile_over_time(x, p...) with (exact=true)`: quantiles that are at most 1 % off, of any numbers.

A sketch counts spans by narrow buckets: those of numbers whose first bits are the same, sign and exponent and `_BITS`
of the fraction. They are the parts of a cell, so a bucket that nothing falls into costs nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.cells import DENSE_NUMBERS, Cells, Keys, of_groups_that_occur
from tempo_dask.physical.groups import Groups, numbered
from tempo_dask.physical.metric_count import COUNT
from tempo_dask.physical.metric_function import MetricFunction, Samples, Spans
from tempo_dask.physical.operand_units import divisor_of_buckets
from tempo_dask.physical.operands import numeric
from tempo_dask.physical.values import Values
from tempo_dask.plan.nodes import TimeSeries
from traceql.operators import MetricsFunction

_BITS = 6
_SHIFT = 52 - _BITS
#: The buckets of finite numbers of one sign.
_OF_SIGN = 2047 << _BITS
#: The bucket of zero; those of negative numbers stand before it, of positive ones behind it.
_ZERO = _OF_SIGN
BUCKETS = 2 * _OF_SIGN + 1

SKETCH = MetricFunction(COUNT.planes, COUNT.fill, COUNT.join, COUNT.finish, is_valued=True, parts=BUCKETS)


def is_sketched(series: TimeSeries) -> bool:
    """Return whether quantiles are wanted from sketches."""
    return series.is_exact and series.aggregate.function is MetricsFunction.QUANTILE


def sketched(spans: Spans, values: Values) -> Cells:
    """Return the cells of the buckets into which the numbers of spans fall."""
    buckets, mask = np.full(values.rows, _ZERO, np.int64), np.zeros(values.rows, np.uint8)
    for part in numeric(values).parts:
        found, valid = _buckets(part.column.data.astype(np.float64))
        if part.column.valid is not None:
            valid &= part.column.valid
        buckets = np.where(valid, found, buckets)
        mask |= valid
    distinct, codes = numbered(buckets, BUCKETS)
    pairs = spans.groups.codes.astype(np.int64) * len(distinct) + codes
    seen, codes = numbered(pairs, len(spans.groups.labels) * len(distinct))
    of_pairs = replace(spans, mask=spans.mask & mask, groups=Groups.of(codes, ((),) * len(seen)))
    numbers, steps, counts = _counted(of_pairs)
    groups, places = np.divmod(seen[numbers], len(distinct))
    keys = (groups * spans.step_count + steps) * BUCKETS + distinct[places]
    order = np.argsort(keys)
    return of_groups_that_occur(spans.groups.labels, keys[order], (counts[order],), spans.step_count * BUCKETS)


def _counted(spans: Spans) -> tuple[Keys, Keys, Keys]:
    """Return groups and steps that have spans, and how many."""
    if len(spans.groups.labels) * spans.step_count <= DENSE_NUMBERS:
        (counts,) = COUNT.fill(spans, None)
        groups, steps = np.nonzero(counts)
        return groups, steps, counts[groups, steps]
    cells = spans.cells
    seen, counts = np.unique(cells[spans.mask.view(np.bool_) & (cells >= 0)], return_counts=True)
    groups, steps = np.divmod(seen, spans.step_count)
    return groups, steps, counts


def _buckets(numbers: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], Mask]:
    """Return the bucket of each number, in their order; and which are finite numbers."""
    found: npt.NDArray[np.int64] = np.abs(numbers).view(np.int64) >> _SHIFT
    is_finite = found < _OF_SIGN
    found += 1
    found *= numbers != 0
    return np.where(numbers < 0, _ZERO - found, _ZERO + found), is_finite.view(np.uint8)


def _middles(buckets: Keys) -> npt.NDArray[np.float64]:
    """Return the number in the middle of each bucket."""
    sizes = np.abs(buckets - _ZERO)
    bits = (np.maximum(sizes - 1, 0) << _SHIFT) + (1 << (_SHIFT - 1))
    found: npt.NDArray[np.float64] = np.where(sizes > 0, np.copysign(bits.view(np.float64), buckets - _ZERO), 0.0)
    return found


def sketch_quantiles(found: Cells, series: TimeSeries) -> list[Samples]:
    """Return the quantiles of each group and step, 0 of nothing."""
    quantiles, shape = series.aggregate.quantiles, (len(found.labels), series.step_count)
    samples = np.zeros((len(quantiles), *shape))
    if found.keys is not None and len(found.keys):
        cells, buckets = np.divmod(found.keys, BUCKETS)
        middles = _middles(buckets)
        first = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
        below = np.cumsum(found.planes[0])
        before = np.append(0, below)[first]
        totals = np.append(below[first[1:] - 1], below[-1]) - before
        for p, of_quantile in zip(quantiles, samples, strict=True):
            ranks = np.maximum(np.ceil(p * totals), 1).astype(np.int64)
            of_quantile.reshape(-1)[cells[first]] = middles[np.searchsorted(below, before + ranks)]
    samples /= divisor_of_buckets(series)
    return [((("p", p),), of_quantile) for p, of_quantile in zip(quantiles, samples, strict=True)]
