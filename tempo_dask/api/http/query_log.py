"""One line of the log for each query: whose it was, what was asked, and what it cost."""

from __future__ import annotations

import logging

from tornado.web import RequestHandler

from tempo_dask.api.http.handler import TempoHandler

_LONGEST_PATH = 2048

log = logging.getLogger(__name__)


def log_query(handler: RequestHandler) -> None:
    """Write the line, where the request was a query."""
    if not isinstance(handler, TempoHandler) or not handler.is_query:
        return
    request, cost = handler.request, handler.cost
    fields = {
        "tenant": handler.api.tenant,
        "method": request.method or "",
        "path": (request.uri or "")[:_LONGEST_PATH],
        "route": handler.route,
        "status": str(handler.get_status()),
        "duration_ms": f"{request.request_time() * 1e3:.1f}",
        "response_size": str(handler.sent_bytes),
        "inspected_bytes": str(cost.inspected_bytes),
        "inspected_traces": str(cost.inspected_traces),
        "total_blocks": str(cost.total_blocks),
    }
    log.info("query", extra={"fields": fields})
