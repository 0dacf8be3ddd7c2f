"""What a tenant may ask for: what is configured for all, and the tenant's own settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tempo_dask.api.limits import RequestLimits
from tempo_dask.config.overrides import Read
from tempo_dask.config.server import QueryFrontend


def common_limits(asked: QueryFrontend) -> RequestLimits:
    """Return what holds for everybody."""
    search, metrics = asked.search, asked.metrics
    return RequestLimits(
        default_traces=search.default_result_limit,
        max_traces=search.max_result_limit,
        default_spans_per_set=search.default_spans_per_span_set,
        max_spans_per_set=search.max_spans_per_span_set,
        max_search_ns=nanoseconds(search.max_duration),
        max_query_bytes=asked.max_query_expression_size_bytes,
        max_metrics_ns=nanoseconds(metrics.max_duration),
        max_intervals=metrics.max_intervals,
        max_exemplars=metrics.max_exemplars,
        max_series=metrics.max_response_series,
        end_cutoff_ns=nanoseconds(asked.query_end_cutoff),
    )


def tenant_limits(common: RequestLimits, read: Read, max_trace_bytes: int) -> RequestLimits:
    """Return what holds for a tenant; a duration or a size of 0 is as for everybody."""
    return replace(
        common,
        max_search_ns=nanoseconds(read.max_search_duration) or common.max_search_ns,
        max_metrics_ns=nanoseconds(read.max_metrics_duration) or common.max_metrics_ns,
        max_tag_bytes=read.max_bytes_per_tag_values_query or common.max_tag_bytes,
        max_trace_bytes=max_trace_bytes,
    )


def nanoseconds(duration: timedelta) -> int:
    """Return a duration in nanoseconds."""
    return duration // timedelta(microseconds=1) * 1000
