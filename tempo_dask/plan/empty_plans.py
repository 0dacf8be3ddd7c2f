"""`{ false } | { a }` -> nothing: where no span can pass a stage, none reaches the end."""

from __future__ import annotations

from dataclasses import replace

from tempo_dask.plan.nodes import Plan, PlanStage
from traceql.ast import SpansetFilter, Static


def mark_empty(plan: Plan) -> Plan:
    """Mark also a plan one of whose filters is constantly false."""
    return replace(plan, is_empty=plan.is_empty or any(_keeps_none(stage) for stage in plan.stages))


def _keeps_none(stage: PlanStage) -> bool:
    return (
        isinstance(stage, SpansetFilter) and isinstance(stage.expression, Static) and stage.expression.value is not True
    )
