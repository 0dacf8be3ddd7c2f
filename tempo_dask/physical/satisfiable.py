"""Whether a source can hold anything that passes the stages of a plan; told from metadata alone."""

from __future__ import annotations

from collections.abc import Iterable

from storage.columns import SourceMeta
from tempo_dask.physical.binder import Binder, bind_filter
from tempo_dask.physical.logic import FALSE
from tempo_dask.plan.nodes import PlanStage
from tempo_dask.plan.tag_nodes import TaggedTraces
from traceql.ast import Pipeline, SpansetChain, SpansetFilter, SpansetOperation
from traceql.operators import LogicalOperator


def may_match(stages: Iterable[PlanStage], meta: SourceMeta) -> bool:
    """Return False where some stage keeps nothing of the source."""
    return hopeless_stage(stages, meta) is None


def hopeless_stage(stages: Iterable[PlanStage], meta: SourceMeta) -> PlanStage | None:
    """Return the first stage that keeps nothing of the source, as far as metadata tells."""
    return next((stage for stage in stages if not _may_pass(stage, Binder(meta))), None)


def _may_pass(stage: PlanStage | Pipeline, binder: Binder) -> bool:
    match stage:
        case SpansetFilter(expression=expression):
            return bind_filter(expression, binder.meta) != FALSE
        case SpansetOperation(op=op, lhs=lhs, rhs=rhs):
            return _may_pass(rhs, binder) and (op.is_negated or _may_pass(lhs, binder))
        case SpansetChain(op=op, operands=operands):
            join = all if op is LogicalOperator.AND else any
            return join(_may_pass(operand, binder) for operand in operands)
        case TaggedTraces(anywhere=anywhere, together=together):
            return all(bind_filter(expression, binder.meta) != FALSE for expression in (*anywhere, *together))
        case Pipeline(stages=stages):
            return all(_may_pass(inner, binder) for inner in stages)
        case _:
            return True
