"""All metrics functions by name."""

from __future__ import annotations

from collections.abc import Mapping

from tempo_dask.physical.metric_buckets import HISTOGRAM, QUANTILE
from tempo_dask.physical.metric_count import COUNT, RATE
from tempo_dask.physical.metric_extremes import MAX, MIN
from tempo_dask.physical.metric_function import MetricFunction
from tempo_dask.physical.metric_sketch import SKETCH, is_sketched
from tempo_dask.physical.metric_sums import AVG, SUM
from tempo_dask.plan.nodes import TimeSeries
from traceql.operators import MetricsFunction

_FUNCTIONS: Mapping[MetricsFunction, MetricFunction] = {
    MetricsFunction.RATE: RATE,
    MetricsFunction.COUNT: COUNT,
    MetricsFunction.MIN: MIN,
    MetricsFunction.MAX: MAX,
    MetricsFunction.SUM: SUM,
    MetricsFunction.AVG: AVG,
    MetricsFunction.HISTOGRAM: HISTOGRAM,
    MetricsFunction.QUANTILE: QUANTILE,
}


def metric_function(series: TimeSeries) -> MetricFunction:
    """Return the implementation of the function of some series."""
    return SKETCH if is_sketched(series) else _FUNCTIONS[series.aggregate.function]
