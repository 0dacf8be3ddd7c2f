"""`( { a } | count() > 1 )`: a pipeline in brackets is its stages, one after another."""

from __future__ import annotations

from tempo_dask.physical.spansets import Spansets, UnitScan
from tempo_dask.physical.stages import apply_stage, apply_stages
from traceql.ast import Pipeline


@apply_stage.register
def _pipeline(stage: Pipeline, spansets: Spansets, scan: UnitScan) -> Spansets:
    return apply_stages(stage.stages, spansets, scan)
