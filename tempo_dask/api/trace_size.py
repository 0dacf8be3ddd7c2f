"""Traces that are larger than an answer may be: refused by the first version of the API, cut by the second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from storage.columns import SpanTables
from storage.pick import pick_spans
from tempo_dask.api.encode_trace import encode_trace_protobuf
from tempo_dask.engine.results import TraceResult
from tempo_dask.errors import TooLarge


def require_fitting(result: TraceResult, max_bytes: int) -> None:
    """Raise TooLarge where the trace has more than `max_bytes` of protobuf; 0 is no bound."""
    if _excess(result.tables, max_bytes):
        msg = f"trace exceeds max size (max bytes: {max_bytes})"
        raise TooLarge(msg)


def cut_to_fit(result: TraceResult, max_bytes: int) -> TraceResult:
    """Return a trace that is too large with as many of its first spans as fit, and with a message that says so."""
    tables = result.tables
    while tables is not None and (excess := _excess(tables, max_bytes)):
        kept = int(tables.spans.num_rows * max_bytes / (max_bytes + excess))
        tables = pick_spans(tables, np.arange(min(kept, tables.spans.num_rows - 1), dtype=np.int32))
    if tables is result.tables:
        return result
    message = f"Trace exceeds maximum size of {max_bytes} bytes, a partial trace is returned"
    return replace(result, tables=tables, message="; ".join(filter(None, [result.message, message])))


def _excess(tables: SpanTables | None, max_bytes: int) -> int:
    """Return by how many bytes a trace is too large."""
    if tables is None or not max_bytes or not tables.spans.num_rows:
        return 0
    return max(len(encode_trace_protobuf(tables)) - max_bytes, 0)
