"""`{ a } >> { b }` and its kin: spans of the right side by their place relative to spans of the left side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tempo_dask.errors import QueryFailed
from tempo_dask.kernels.predicates import Mask, look_up
from tempo_dask.kernels.structure import Trees
from tempo_dask.kernels.traces import traces_with_both
from tempo_dask.physical.spansets import Spansets, TraceSets, UnitScan
from tempo_dask.physical.stages import apply_stage
from traceql.ast import SpansetExpression, SpansetOperation
from traceql.operators import Relation, StructuralOperator

#: What finds the spans that stand in a relation to the matching ones, and the way back.
_FIND: Mapping[Relation, tuple[Callable[[Trees, Mask], Mask], Callable[[Trees, Mask], Mask]]] = {
    Relation.CHILD: (Trees.children, Trees.parents_of),
    Relation.DESCENDANT: (Trees.descendants, Trees.ancestors),
    Relation.PARENT: (Trees.parents_of, Trees.children),
    Relation.ANCESTOR: (Trees.ancestors, Trees.descendants),
    Relation.SIBLING: (Trees.siblings, Trees.siblings),
}


@apply_stage.register
def _structural(stage: SpansetOperation, spansets: Spansets, scan: UnitScan) -> Spansets:
    lhs, rhs = (_single(side, spansets, scan) for side in (stage.lhs, stage.rhs))
    traces = traces_with_both(lhs, rhs, scan.reader.offsets)
    if not len(traces):  # then their places need not be read
        return replace(spansets, mask=rhs if stage.op.is_negated else np.zeros(len(rhs), np.uint8), attributes=())
    trees = _trees(scan, traces)
    found = np.zeros(len(lhs), np.uint8)
    for layer in _layers(spansets):
        found |= _related(stage.op, lhs & layer, rhs & layer, trees)
    return replace(spansets, mask=found, attributes=())


def _related(op: StructuralOperator, lhs: Mask, rhs: Mask, trees: Trees) -> Mask:
    forth, back = _FIND[op.relation]
    related = forth(trees, lhs)
    if op.is_negated:
        return rhs & (related ^ np.uint8(1))
    right = rhs & related
    return right | (lhs & back(trees, rhs)) if op.is_union else right


def _single(side: SpansetExpression, spansets: Spansets, scan: UnitScan) -> Mask:
    """Return the spans of one side, which must be one spanset of each spanset that came in."""
    found = apply_stage(side, spansets, scan)
    if found.sets is not spansets.sets:
        sets = np.flatnonzero(found.occupied)
        firsts = np.zeros(len(found.sets.traces), np.int64)
        spans = np.flatnonzero(found.mask)[::-1]
        firsts[found.sets.of(spans)] = spans
        if len(np.unique(spansets.sets.of(firsts[sets]))) < len(sets):
            msg = "spanset operators are not supported for multiple spansets per trace. consider using coalesce()"
            raise QueryFailed(msg)
    return found.mask


def _layers(spansets: Spansets) -> list[Mask]:
    """Return masks that part the spans so that no two sets of a trace are in one: relations hold within a set."""
    if isinstance(spansets.sets, TraceSets):
        return [np.ones(len(spansets.mask), np.uint8)]
    traces = spansets.sets.traces
    ranks = np.arange(len(traces)) - np.searchsorted(traces, traces)
    return [
        look_up(spansets.sets.numbers, (ranks == rank).astype(np.uint8))
        for rank in range(int(ranks.max(initial=0)) + 1)
    ]


def _trees(scan: UnitScan, traces: npt.NDArray[np.int64]) -> Trees:
    lefts, rights, parents = (
        scan.reader.data("spans", name) for name in ("nested_left", "nested_right", "nested_parent")
    )
    return Trees(lefts, rights, parents, scan.reader.offsets, traces)
