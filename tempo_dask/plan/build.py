"""From the tree of a query to its plan."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from tempo_dask.errors import BadRequest, QueryFailed
from tempo_dask.plan.nodes import NewestTraces, Plan, ShownAttribute, ShownIf, TimeRange, TimeSeries
from tempo_dask.plan.refused import require_planned
from traceql import Query, conditions_of
from traceql.ast import AttributeReference, Compare, Intrinsic, MetricsArithmetic, MetricsQuery, Pipeline, Stage
from traceql.attributes import AttributeScope
from traceql.types import StaticType

#: At most this many exemplars are given for one query.
MAX_EXEMPLARS = 100


def build_search(query: Query, window: TimeRange, newest: NewestTraces) -> Plan:
    """Return the plan of a search; of a metrics query the part before the metrics stage is searched."""
    require_planned(query)
    return Plan(window, _stages(query.root), newest, _shown(query))


def build_series(query: Query, window: TimeRange, step_ns: int, exemplars: int) -> tuple[Plan, TimeSeries]:
    """Return the plan of a metrics query over the window, whose ends are step edges."""
    root = query.root
    if isinstance(root, Pipeline):
        msg = "not a metrics query"
        raise BadRequest(msg)
    if isinstance(root, MetricsArithmetic):
        msg = "arithmetic between metrics queries is not yet supported"
        raise QueryFailed(msg)
    if isinstance(root.function, Compare):
        msg = "compare() is not yet supported"
        raise QueryFailed(msg)
    require_planned(query)
    step_count = -((window.start_ns - window.end_ns) // step_ns)
    series = TimeSeries(root.function, step_ns, step_count, _exemplar_limit(query, exemplars), root.second)
    return Plan(window, root.pipeline.stages, series, _shown(query)), series


def _exemplar_limit(query: Query, requested: int) -> int:
    """Return how many exemplars are wanted: the hint `exemplars=5` or `exemplars=false` beats the request."""
    hint = query.hint("exemplars", StaticType.INT, StaticType.BOOL)
    if hint is None or hint is True:
        return requested
    return min(max(int(cast("int", hint)), 0), MAX_EXEMPLARS)


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
