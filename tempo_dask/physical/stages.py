"""Stages on the spansets of one unit; each kind of stage is registered in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch

from tempo_dask.errors import QueryFailed
from tempo_dask.physical.spansets import Spansets, UnitScan
from tempo_dask.plan.nodes import PlanStage
from traceql.ast import Pipeline


@singledispatch
def apply_stage(stage: PlanStage | Pipeline, spansets: Spansets, scan: UnitScan) -> Spansets:  # noqa: ARG001
    """Return what the stage leaves of the spansets."""
    msg = f"stage {type(stage).__name__} is not yet supported"
    raise QueryFailed(msg)


def apply_stages(stages: Iterable[PlanStage], spansets: Spansets, scan: UnitScan) -> Spansets:
    """Return what all stages leave, one after another."""
    for stage in stages:
        if spansets.is_empty:
            break
        spansets = apply_stage(stage, spansets, scan)
    return spansets
