"""From the tree of a query to its plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from tempo_dask.errors import BadRequest, QueryFailed
from tempo_dask.plan.nodes import (
    CombinedSeries,
    Comparison,
    MetricsPlan,
    NewestTraces,
    Plan,
    SeriesPlan,
    ShownAttribute,
    ShownIf,
    TimeRange,
    TimeSeries,
)
from tempo_dask.plan.optimize import optimize
from tempo_dask.plan.refused import require_planned
from traceql import Query, conditions_of
from traceql.ast import (
    AttributeReference,
    Compare,
    Intrinsic,
    MetricsAggregate,
    MetricsArithmetic,
    MetricsQuery,
    Pipeline,
    Stage,
)
from traceql.attributes import AttributeScope
from traceql.types import StaticType

#: At most this many exemplars are given for one query.
MAX_EXEMPLARS = 100


def build_search(query: Query, window: TimeRange, newest: NewestTraces) -> Plan:
    """Return the plan of a search; of a metrics query the part before the metrics stage is searched."""
    require_planned(query)
    return Plan(window, _stages(query.root), newest, _shown(query))


def build_metrics(query: Query, window: TimeRange, step_ns: int, exemplars: int) -> MetricsPlan:
    """Return the optimized plan of a metrics query over the window, whose ends are step edges."""
    require_planned(query)
    return _series(query, query.root, _Steps(window, step_ns, _exemplar_limit(query, exemplars), _is_exact(query)))


@dataclass(frozen=True, slots=True)
class _Steps:
    window: TimeRange
    step_ns: int
    exemplars: int
    is_exact: bool

    @property
    def count(self) -> int:
        return -((self.window.start_ns - self.window.end_ns) // self.step_ns)


def _series(query: Query, root: object, steps: _Steps) -> MetricsPlan:
    if isinstance(root, MetricsArithmetic):
        without = replace(steps, exemplars=0)  # a span stands for neither side's number
        return CombinedSeries(
            root.op, _series(query, root.lhs, without), _series(query, root.rhs, without), root.second
        )
    if isinstance(root, MetricsQuery):
        shown = _shown(replace(query, root=root))
        plan = Plan(steps.window, root.pipeline.stages, _output(root.function, steps), shown)
        return SeriesPlan(optimize(plan), root.second)
    msg = "not a metrics query"
    raise BadRequest(msg)


def _output(function: MetricsAggregate | Compare, steps: _Steps) -> TimeSeries | Comparison:
    if isinstance(function, MetricsAggregate):
        return TimeSeries(function, steps.step_ns, steps.count, steps.exemplars, steps.is_exact)
    selected = None
    if function.start_ns is not None and function.end_ns is not None:
        selected = TimeRange(function.start_ns, function.end_ns)
    return Comparison(function.selection, function.top, selected, steps.step_ns, steps.count)


def _exemplar_limit(query: Query, requested: int) -> int:
    """Return how many exemplars are wanted: the hint `exemplars=5` or `exemplars=false` beats the request."""
    hint = query.hint("exemplars", StaticType.INT, StaticType.BOOL)
    if hint is None or hint is True:
        return requested
    return min(max(int(cast("int", hint)), 0), MAX_EXEMPLARS)


def _is_exact(query: Query) -> bool:
    return query.hint("exact", StaticType.BOOL) is True


def _stages(root: object) -> tuple[Stage, ...]:
    if isinstance(root, Pipeline):
        return root.stages
    if isinstance(root, MetricsQuery):
        return root.pipeline.stages
    msg = "arithmetic between metrics queries cannot be searched"
    raise QueryFailed(msg)


def _shown(query: Query) -> tuple[ShownAttribute, ...]:
    """Return what results show; of an unscoped attribute both the span's and the resource's."""
    conditions: dict[AttributeReference, list[ShownIf]] = {}
    for condition in conditions_of(query).conditions:
        for attribute in _places(condition.attribute):
            conditions.setdefault(attribute, []).append(ShownIf(condition.op, condition.value))
    return tuple(ShownAttribute(attribute, tuple(asked)) for attribute, asked in conditions.items())


def _places(attribute: AttributeReference) -> tuple[AttributeReference, ...]:
    if isinstance(attribute, Intrinsic) or attribute.scope is not AttributeScope.UNSCOPED:
        return (attribute,)
    return tuple(replace(attribute, scope=scope) for scope in (AttributeScope.SPAN, AttributeScope.RESOURCE))
