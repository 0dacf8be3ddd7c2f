"""`avg(duration) > 1s`: keeps the spansets whose aggregate satisfies the comparison, and shows the aggregate."""

from __future__ import annotations

from dataclasses import replace

from tempo_dask.errors import QueryFailed
from tempo_dask.physical.aggregates import aggregate
from tempo_dask.physical.bound import Constant
from tempo_dask.physical.compare import compare_with_constant
from tempo_dask.physical.set_attributes import SetResult
from tempo_dask.physical.spansets import Spansets, UnitScan
from tempo_dask.physical.stages import apply_stage
from traceql import shown
from traceql.ast import Aggregate, ScalarFilter, Static


@apply_stage.register
def _scalar_filter(stage: ScalarFilter, spansets: Spansets, scan: UnitScan) -> Spansets:
    if not isinstance(stage.lhs, Aggregate) or not isinstance(stage.rhs, Static):
        msg = "a scalar filter compares one aggregate with one constant"
        raise QueryFailed(msg)
    results = aggregate(stage.lhs, spansets, scan)
    held = compare_with_constant(stage.op, results, Constant(stage.rhs.type, stage.rhs.value))
    attribute = SetResult(shown(stage.lhs), results)
    if stage.lhs.operand is None:  # a count holds of sets without spans too; what has a value has spans
        held = held & spansets.occupied
    return replace(spansets, attributes=(*spansets.attributes, attribute)).only_sets(held)
