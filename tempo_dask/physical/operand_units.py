"""In which unit a metrics function gives what it computed."""

from __future__ import annotations

from tempo_dask.plan.nodes import TimeSeries
from traceql.ast import Intrinsic
from traceql.attributes import IntrinsicKind
from traceql.types import StaticType

_NS_PER_S = 1e9


def divisor_of_sums(series: TimeSeries) -> float:
    """Return what sums, means and extremes are divided by: the duration of spans is given in seconds."""
    return _NS_PER_S if series.aggregate.operand == Intrinsic(IntrinsicKind.DURATION) else 1.0


def divisor_of_buckets(series: TimeSeries) -> float:
    """Return what bounds of buckets are divided by: all durations are given in seconds."""
    operand = series.aggregate.operand
    is_duration = isinstance(operand, Intrinsic) and operand.kind.type is StaticType.DURATION
    return _NS_PER_S if is_duration else 1.0
