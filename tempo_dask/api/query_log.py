"""One line of the log for each query: whose it was, what was asked, and what it cost."""

from __future__ import annotations

import logging

from tempo_dask.api.query_report import QueryReport

_LONGEST_PATH = 2048

log = logging.getLogger(__name__)


def log_query(report: QueryReport) -> None:
    """Write the line."""
    cost = report.cost
    fields = {
        "tenant": report.tenant,
        "method": report.method,
        "path": report.path[:_LONGEST_PATH],
        "route": report.route,
        "status": str(report.status),
        "duration_ms": f"{report.seconds * 1e3:.1f}",
        "response_size": str(report.sent_bytes),
        "inspected_bytes": str(cost.inspected_bytes),
        "inspected_traces": str(cost.inspected_traces),
        "total_blocks": str(cost.total_blocks),
    }
    log.info("query", extra={"fields": fields})
