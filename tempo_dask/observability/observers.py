"""All that watches the running service, put together from its configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.registry import Collector

from storage.columns import SpanTables
from tempo_dask.api.query_log import log_query
from tempo_dask.api.query_report import QueryReport
from tempo_dask.cluster.choice import Fabric
from tempo_dask.config.file import Config
from tempo_dask.ingest.background import Background
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.records import Record
from tempo_dask.observability.blocks import BlockMetrics, Blocks
from tempo_dask.observability.own_traces import SEND_EVERY_S, OwnTraces
from tempo_dask.observability.pushes import ObservedPush
from tempo_dask.observability.queries import ObservedAdmission, QueryMetrics, QueueLengths
from tempo_dask.observability.requests import RequestMetrics
from tempo_dask.observability.spans import observe_spans
from tempo_dask.observability.state import Limits, Members, WorkQueue
from tempo_dask.overrides.tenants import TenantSettings
from tempo_dask.telemetry import REGISTRY, LiveSpans, LiveUsage

#: How long the end of the process waits for a look or a request that runs.
STOP_S = 5.0


class Observers:
    """Watches queries, requests, blocks and tenants of one process; `start` and `stop` are for its threads."""

    def __init__(self, config: Config, settings: TenantSettings, node: str) -> None:
        self.requests = RequestMetrics()
        self.admission = ObservedAdmission(waiting=config.query_frontend.max_outstanding_per_tenant)
        self._config = config
        self._settings = settings
        self._node = node
        self._queries = QueryMetrics(config.query_frontend)
        self._traces = OwnTraces(config.tracing, node) if config.tracing.otlp_endpoint else None
        self._threads: list[Background] = []
        self._is_started = False

    def tell(self, report: QueryReport) -> None:
        """Tell of a query that is over: to the log, to metrics, and to traces where they are switched on."""
        log_query(report)
        self._queries.count(report)
        if self._traces is not None:
            self._traces.record_query(report)

    def watching(self, push: Push) -> Push:
        """Return what takes spans in, watched."""
        return ObservedPush(push, self._node, None if self._traces is None else self._traces.record).push

    def see(self, records: Sequence[Record], tables: SpanTables) -> None:
        """Count spans that came in; those of the log were counted before this process began."""
        if self._is_started:
            observe_spans(records, tables)

    def start(
        self,
        blocks: Blocks,
        usage: Callable[[], Iterable[LiveUsage]],
        not_ready: Callable[[], str | None],
        parts: Iterable[str],
        fabric: Fabric,
    ) -> None:
        """Show what holds from now on, and look at the blocks now and then; `parts` are members of rings."""
        self._is_started = True
        state: tuple[Collector, ...] = (
            QueueLengths(self.admission),
            LiveSpans(usage),
            Limits(self._settings),
            Members(parts, not_ready, fabric.members),
            WorkQueue(fabric),
        )
        for collector in state:
            REGISTRY.register(collector)
        poll_s = self._config.storage.trace.blocklist_poll.total_seconds()
        self._threads.append(Background("block metrics", BlockMetrics(blocks).step, pause_s=poll_s))
        if self._traces is not None:
            self._threads.append(Background("own traces", self._traces.step, pause_s=SEND_EVERY_S))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; spans of our own that wait are sent."""
        for thread in self._threads:
            thread.stop(STOP_S)
        if self._traces is not None:
            self._traces.close(STOP_S)
