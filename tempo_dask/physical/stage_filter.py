"""`{ expression }`: keeps the spans for which it holds."""

from __future__ import annotations

from tempo_dask.physical.binder import bind_filter
from tempo_dask.physical.evaluate import matching_spans
from tempo_dask.physical.failing import require_computable
from tempo_dask.physical.spansets import Spansets, UnitScan
from tempo_dask.physical.stages import apply_stage
from traceql.ast import SpansetFilter


@apply_stage.register
def _filter(stage: SpansetFilter, spansets: Spansets, scan: UnitScan) -> Spansets:
    predicate = bind_filter(stage.expression, scan.binder.meta)
    require_computable(predicate, spansets.mask, scan.reader)
    return spansets.only(matching_spans(predicate, scan.reader))
