"""Metrics: spans become series."""

from __future__ import annotations

from dataclasses import dataclass

from traceql.ast.fields import AttributeReference, Static
from traceql.ast.node import Node
from traceql.ast.spansets import Pipeline, SpansetFilter
from traceql.operators import BinaryOperator, MetricsFunction


@dataclass(frozen=True, slots=True)
class MetricsAggregate(Node):
    """`rate()`, `quantile_over_time(duration, .9) by (name)`.

    `operand` is None for `rate` and `count_over_time`; `quantiles` are the numbers of `quantile_over_time`, else empty.
    """

    function: MetricsFunction
    operand: AttributeReference | None = None
    by: tuple[AttributeReference, ...] = ()
    quantiles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`compare({ selection }, top, start, end)`: attribute values of the selection against the rest.

    `top` is the number of values kept per attribute; `start_ns` and `end_ns` are Unix nanoseconds, both or neither
    given.
    """

    selection: SpansetFilter
    top: int = 10
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class TopK(Node):
    """`topk(limit)`: per timestamp the largest points."""

    limit: int


@dataclass(frozen=True, slots=True)
class BottomK(Node):
    """`bottomk(limit)`: per timestamp the smallest points."""

    limit: int


@dataclass(frozen=True, slots=True)
class MetricsFilter(Node):
    """`... > 0.1`: keeps the points that satisfy the comparison; `value` is an int, a float or a duration."""

    op: BinaryOperator
    value: Static


@dataclass(frozen=True, slots=True)
class MetricsQuery(Node):
    """`pipeline | rate() by (name) | topk(3)`."""

    pipeline: Pipeline
    function: MetricsAggregate | Compare
    second: tuple[SecondStage, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricsArithmetic(Node):
    """`(lhs) / (rhs)`: series with equal labels are joined point by point, then the second stages apply.

    `op` is one of `+ - * / % ^`.
    """

    op: BinaryOperator
    lhs: MetricsExpression
    rhs: MetricsExpression
    second: tuple[SecondStage, ...] = ()


SecondStage = TopK | BottomK | MetricsFilter
MetricsExpression = MetricsQuery | MetricsArithmetic
