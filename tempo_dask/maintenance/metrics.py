"""What maintenance tells about itself, under Tempo's names."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from tempo_dask.telemetry import REGISTRY

BLOCKS = Counter("tempodb_compaction_blocks", "Blocks that became part of a larger one.", ["level"], registry=REGISTRY)
TRACES_WRITTEN = Counter(
    "tempodb_compaction_objects_written", "Traces written by compaction.", ["level"], registry=REGISTRY
)
BYTES_WRITTEN = Counter(
    "tempodb_compaction_bytes_written", "Bytes written by compaction.", ["level"], registry=REGISTRY
)
TRACES_COMBINED = Counter(
    "tempodb_compaction_objects_combined",
    "Times that a trace was joined with its other part by compaction.",
    ["level"],
    registry=REGISTRY,
)
SPANS_COMBINED = Counter(
    "tempodb_compaction_spans_combined",
    "Spans that compaction found twice, and kept once.",
    ["replication_factor"],
    registry=REGISTRY,
)
ERRORS = Counter("tempodb_compaction_errors", "Groups of blocks that could not be compacted.", registry=REGISTRY)
OUTSTANDING = Gauge(
    "tempodb_compaction_outstanding_blocks", "Blocks that are still to be compacted.", ["tenant"], registry=REGISTRY
)
EXPIRED = Counter(
    "tempodb_retention_marked_for_deletion", "Blocks that left the list because of their age.", registry=REGISTRY
)
DELETED = Counter("tempodb_retention_deleted", "Blocks whose files were deleted.", registry=REGISTRY)
RETENTION_ERRORS = Counter("tempodb_retention_errors", "Times that retention failed.", registry=REGISTRY)
RETENTION_DURATION = Histogram(
    "tempodb_retention_duration_seconds",
    "Time to expire and delete blocks.",
    buckets=(0.25, 0.5, 1, 2, 4, 8),
    registry=REGISTRY,
)
