"""Traces that carry tags: each on some span, those of one resource on its spans or on itself."""

from __future__ import annotations

from functools import reduce
from operator import and_

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask, any_of_owner
from tempo_dask.physical.evaluate import matching_spans
from tempo_dask.physical.spansets import Spansets, UnitScan
from tempo_dask.physical.stages import apply_stage
from tempo_dask.plan.tag_nodes import TaggedTraces
from traceql.ast import FieldExpression


@apply_stage.register
def _tagged(stage: TaggedTraces, spansets: Spansets, scan: UnitScan) -> Spansets:
    count = len(spansets.sets.traces)
    found = [any_of_owner(_mask(e, spansets, scan), spansets.sets.numbers, count) for e in stage.anywhere]
    if stage.together:
        found.append(_in_one_resource(stage.together, spansets, scan))
    return spansets.only_sets(reduce(and_, found)) if found else spansets


def _mask(expression: FieldExpression, spansets: Spansets, scan: UnitScan) -> Mask:
    return spansets.mask & matching_spans(scan.binder.predicate(expression), scan.reader)


def _in_one_resource(expressions: tuple[FieldExpression, ...], spansets: Spansets, scan: UnitScan) -> Mask:
    """Return the sets in which one resource has spans for all expressions."""
    masks = [_mask(expression, spansets, scan) for expression in expressions]
    if len(masks) == 1:
        return any_of_owner(masks[0], spansets.sets.numbers, len(spansets.sets.traces))
    resources: npt.NDArray[np.uint32] = scan.reader.data("spans", "resource")
    pairs = spansets.sets.numbers.astype(np.int64) << 32 | resources
    seen, batches = np.unique(pairs, return_inverse=True)
    of_batches = batches.astype(np.uint32)
    has_all = reduce(and_, (any_of_owner(mask, of_batches, len(seen)) for mask in masks))
    return any_of_owner(has_all, (seen >> 32).astype(np.uint32), len(spansets.sets.traces))
