"""`{ a } && { b }`, `{ a } || { b }`: the union of all sides where each, or any, of them has a span."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import and_, or_

from tempo_dask.physical.spansets import Spansets, UnitScan
from tempo_dask.physical.stages import apply_stage
from traceql.ast import SpansetChain
from traceql.operators import LogicalOperator


@apply_stage.register
def _chain(stage: SpansetChain, spansets: Spansets, scan: UnitScan) -> Spansets:
    sides = [apply_stage(operand, spansets, scan).mask for operand in stage.operands]
    occupied = [replace(spansets, mask=side).occupied for side in sides]
    holds = reduce(and_ if stage.op is LogicalOperator.AND else or_, occupied)
    return replace(spansets, mask=reduce(or_, sides), attributes=()).only_sets(holds)
