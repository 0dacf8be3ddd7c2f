"""`select(a, b)`: keeps every span; what it names is shown."""

from __future__ import annotations

from tempo_dask.physical.spansets import Spansets, UnitScan
from tempo_dask.physical.stages import apply_stage
from traceql.ast import Select


@apply_stage.register
def _select(stage: Select, spansets: Spansets, scan: UnitScan) -> Spansets:  # noqa: ARG001  # one signature
    return spansets
