"""What a request may ask for: the bounds that are checked before the engine is."""

from __future__ import annotations

from dataclasses import dataclass

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Defaults and caps of the query parameters; 0 means no cap."""

    default_traces: int = 20
    max_traces: int = 262_144
    default_spans_per_set: int = 3
    max_spans_per_set: int = 100
    max_search_ns: int = 168 * HOUR_NS
    recent_ns: int = 15 * MINUTE_NS  # the window of a search that names none
    max_query_bytes: int = 131_072
    max_tag_bytes: int = 1_000_000  # text of tag names, or of tag values, in one answer
    max_trace_bytes: int = 0  # of a trace in one answer, as protobuf
    max_metrics_ns: int = 0
    max_intervals: int = 10_000
    max_exemplars: int = 100
    max_series: int = 0
    end_cutoff_ns: int = 0  # a window ends at least this long ago
