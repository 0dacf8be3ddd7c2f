"""What of each source a plan scans, and why not the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.chunk import Chunk
from tempo_dask.physical.satisfiable import hopeless_stage
from tempo_dask.physical.units import Shard, units_of
from tempo_dask.plan.nodes import Plan, PlanStage
from tempo_dask.plan.tag_nodes import TaggedTraces
from traceql import shown


@dataclass(frozen=True, slots=True)
class SourceScan:
    """A source, how many of its units are scanned, and why the others are not ("": all are).

    `split_traces` of its traces are scanned in the stitched source instead.
    """

    id: str
    kind: str
    spans: int
    traces: int
    split_traces: int
    units: int
    units_scanned: int
    why: str


def source_scans(shards: Iterable[Shard], plan: Plan) -> tuple[SourceScan, ...]:
    """Return what is scanned of each source."""
    return tuple(_scan(shard, plan) for shard in shards)


def stage_text(stage: PlanStage) -> str:
    """Return a stage as TraceQL, as far as that can say it."""
    if not isinstance(stage, TaggedTraces):
        return shown(stage)
    anywhere = [f"{{ {shown(expression)} }}" for expression in stage.anywhere]
    together = [f"{{ {shown(expression)} }}" for expression in stage.together]
    in_one_resource = [f"of one resource ({' && '.join(together)})"] if together else []
    return "traces with " + " && ".join([*anywhere, *in_one_resource])


def _scan(shard: Shard, plan: Plan) -> SourceScan:
    meta = shard.source.meta
    scanned = len(units_of([shard], plan))
    why = "" if scanned == len(meta.units) else _reason(shard, plan, scanned)
    return SourceScan(
        meta.id,
        _kind(shard),
        meta.span_count,
        meta.trace_count,
        len(shard.excluded),
        len(meta.units),
        scanned,
        why,
    )


def _kind(shard: Shard) -> str:
    if not isinstance(shard.source, Chunk):
        return "block"
    return "stitched" if shard.source.id.startswith("stitched-") else "live"


def _reason(shard: Shard, plan: Plan, scanned: int) -> str:
    meta, window = shard.source.meta, plan.window
    if plan.is_empty:
        return "the query can match nothing"
    if scanned or meta.start_ns > window.end_ns or meta.end_ns < window.start_ns:
        return "outside the window"
    stage = hopeless_stage(plan.stages, meta)
    return "outside the window" if stage is None else f"its metadata has nothing for {stage_text(stage)}"
