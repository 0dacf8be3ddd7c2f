"""`{ true } | { a }` -> `{ a }`: a filter that every span passes is none."""

from __future__ import annotations

from dataclasses import replace

from tempo_dask.plan.nodes import Plan, PlanStage
from traceql.ast import SpansetFilter, Static


def drop_true_filters(plan: Plan) -> Plan:
    """Remove stages that keep every span."""
    return replace(plan, stages=tuple(stage for stage in plan.stages if not _keeps_all(stage)))


def _keeps_all(stage: PlanStage) -> bool:
    return isinstance(stage, SpansetFilter) and isinstance(stage.expression, Static) and stage.expression.value is True
