"""`coalesce()`: joins the spansets of each trace into one, without attributes."""

from __future__ import annotations

from tempo_dask.physical.spansets import Spansets, TraceSets, UnitScan
from tempo_dask.physical.stages import apply_stage
from traceql.ast import Coalesce


@apply_stage.register
def _coalesce(stage: Coalesce, spansets: Spansets, scan: UnitScan) -> Spansets:  # noqa: ARG001  # one signature
    return Spansets(spansets.mask, TraceSets(scan.reader))
