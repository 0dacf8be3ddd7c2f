"""Trace by id: all spans of one trace, from everywhere."""

from __future__ import annotations

from storage.block.reader import Block
from storage.columns import ScanSource
from storage.tempo_blocks.row_group import RowGroup
from storage.veil import unveiled
from tempo_dask.engine.executors import Executor
from tempo_dask.engine.requests import Places, TraceRequest, Window
from tempo_dask.engine.results import QueryMetrics, TraceResult
from tempo_dask.engine.sources import SnapshotProvider
from tempo_dask.physical.pieces import pieces_work


async def find_trace(request: TraceRequest, sources: SnapshotProvider, executor: Executor) -> TraceResult:
    """Return a trace; the window only leaves out sources that lie wholly outside of it."""
    known = await sources.snapshot(request.tenant)
    looked_at = [source for source in known if _overlaps(source, request.window) and _is_in(source, request.places)]
    work = pieces_work(request.trace_id, looked_at)
    pieces = await executor.run(work)
    inspected_bytes = sum(piece.nbytes for piece in pieces)
    return TraceResult(pieces[0] if pieces else None, QueryMetrics(inspected_bytes, total_blocks=len(work.tasks)))


def _overlaps(source: ScanSource, window: Window | None) -> bool:
    return window is None or (source.meta.start_ns <= window.end_ns and source.meta.end_ns >= window.start_ns)


def _is_in(source: ScanSource, places: Places) -> bool:
    return places == "all" or isinstance(unveiled(source), Block | RowGroup) is (places == "blocks")
