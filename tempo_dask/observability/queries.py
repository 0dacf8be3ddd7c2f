"""How queries fare, as `tempo_query_frontend_*`: counted when they are answered, and while they wait for their turn."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tempo_dask.api.query_report import QueryReport
from tempo_dask.config.server import QueryFrontend, Slo
from tempo_dask.engine.admission import Admission
from tempo_dask.telemetry import REGISTRY

_OF_A_QUERY = ["tenant", "op", "result"]

QUERIES = Counter("tempo_query_frontend_queries", "Queries that were answered.", _OF_A_QUERY, registry=REGISTRY)
WITHIN_SLO = Counter(
    "tempo_query_frontend_queries_within_slo", "Those that were as fast as they should be.", _OF_A_QUERY,
    registry=REGISTRY,
)  # fmt: skip
BYTES_INSPECTED = Counter(
    "tempo_query_frontend_bytes_inspected", "Bytes that queries read.", ["tenant", "op"], registry=REGISTRY
)
BYTES_PER_SECOND = Histogram(
    "tempo_query_frontend_bytes_processed_per_second",
    "Bytes that a query read in each second that it took.",
    ["tenant", "op"],
    buckets=tuple(2.0**n for n in range(10, 38, 3)),
    registry=REGISTRY,
)
DISCARDED = Counter(
    "tempo_query_frontend_discarded_requests", "Queries refused since too many waited.", ["user"], registry=REGISTRY
)
QUEUE_DURATION = Histogram(
    "tempo_query_frontend_queue_duration_seconds", "Time that queries wait for their turn.", registry=REGISTRY
)


class QueryMetrics:
    """Counts queries; `asked` says how fast each kind should be."""

    def __init__(self, asked: QueryFrontend) -> None:
        self._slos: Mapping[str, Slo] = {
            "traces": asked.trace_by_id,
            "search": asked.search,
            "metadata": asked.metadata,
            "metrics": asked.metrics,
        }

    def count(self, report: QueryReport) -> None:
        """Count a query that is over; what Tempo has no name for is left out."""
        operation = report.operation
        if not operation or not report.tenant:
            return
        result = "canceled" if report.is_canceled else "completed"
        QUERIES.labels(report.tenant, operation, result).inc()
        read_bytes, seconds = report.cost.inspected_bytes, max(report.seconds, 1e-6)
        if not report.is_failed and is_within(self._slos[operation], seconds, read_bytes):
            WITHIN_SLO.labels(report.tenant, operation, result).inc()
        BYTES_INSPECTED.labels(report.tenant, operation).inc(read_bytes)
        if read_bytes:
            BYTES_PER_SECOND.labels(report.tenant, operation).observe(read_bytes / seconds)
        if report.status == HTTPStatus.TOO_MANY_REQUESTS:
            DISCARDED.labels(report.tenant).inc()


def is_within(slo: Slo, seconds: float, read_bytes: int) -> bool:
    """Return whether a query was fast enough, by its time or by what it read in it; without an aim every one is."""
    longest_s, fewest = slo.duration_slo.total_seconds(), slo.throughput_bytes_slo
    if not longest_s and not fewest:
        return True
    return bool(longest_s and seconds <= longest_s) or bool(fewest and read_bytes / seconds >= fewest)


class ObservedAdmission(Admission):
    """An admission that tells how long queries wait, and how many wait now."""

    @asynccontextmanager
    async def slot(self, tenant: str) -> AsyncIterator[None]:
        """Hold a place, as `Admission` does, and note how long that took."""
        started = time.perf_counter()
        async with super().slot(tenant):
            QUEUE_DURATION.observe(time.perf_counter() - started)
            yield

    def lengths(self) -> Mapping[str, int]:
        """Return how many queries of each tenant wait."""
        return {tenant: len(queue) for tenant, queue in list(self._queues.items())}  # asked by other threads


class QueueLengths(Collector):
    """How many queries wait, looked up when somebody asks."""

    def __init__(self, admission: ObservedAdmission) -> None:
        self._admission = admission

    def collect(self) -> Iterable[Metric]:
        """Return the gauge of every tenant."""
        length = Metric("tempo_query_frontend_queue_length", "Queries that wait for their turn.", "gauge")
        for tenant, waiting in self._admission.lengths().items():
            length.add_sample(length.name, {"user": tenant}, waiting)
        yield length
