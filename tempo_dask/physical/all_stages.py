"""Every kind of stage, registered by being imported."""

from tempo_dask.physical import (
    stage_chain,
    stage_coalesce,
    stage_filter,
    stage_group,
    stage_pipeline,
    stage_scalar,
    stage_select,
    stage_structural,
    stage_tagged,
)
from tempo_dask.physical.stages import apply_stages

STAGES = (
    stage_chain,
    stage_coalesce,
    stage_filter,
    stage_group,
    stage_pipeline,
    stage_scalar,
    stage_select,
    stage_structural,
    stage_tagged,
)

__all__ = ["STAGES", "apply_stages"]
