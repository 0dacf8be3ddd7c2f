"""All metrics functions by name."""

from __future__ import annotations

from collections.abc import Mapping

from tempo_dask.errors import QueryFailed
from tempo_dask.physical.metric_count import COUNT, RATE
from tempo_dask.physical.metric_function import MetricFunction
from traceql.operators import MetricsFunction

_FUNCTIONS: Mapping[MetricsFunction, MetricFunction] = {MetricsFunction.RATE: RATE, MetricsFunction.COUNT: COUNT}


def metric_function(function: MetricsFunction) -> MetricFunction:
    """Return the implementation of a function."""
    found = _FUNCTIONS.get(function)
    if found is None:
        msg = f"{function.value}() is not yet supported"
        raise QueryFailed(msg)
    return found
