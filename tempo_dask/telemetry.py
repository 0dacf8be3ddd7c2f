"""What `/metrics` shows: Tempo's names, so that its dashboards and alerts work, and a few of our own."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Protocol

from numba.core import event
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # Tempo has none, and nothing reads them
REGISTRY = CollectorRegistry()
VERSION = version("tempo-dask")

_BUILD = Gauge("tempo_build_info", "What runs here.", ["version", "revision", "branch", "goversion"], registry=REGISTRY)
_BUILD.labels(VERSION, "", "", f"python{platform.python_version()}").set(1)

REQUEST_DURATION = Histogram(
    "tempo_request_duration_seconds",
    "Time to answer requests.",
    ["method", "route", "status_code", "ws"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100),
    registry=REGISTRY,
)


SPANS_RECEIVED = Counter("tempo_distributor_spans_received", "Spans accepted.", ["tenant"], registry=REGISTRY)
BYTES_RECEIVED = Counter("tempo_distributor_bytes_received", "Bytes accepted.", ["tenant"], registry=REGISTRY)
PUSH_DURATION = Histogram("tempo_distributor_push_duration_seconds", "Time to take spans in.", registry=REGISTRY)
INGRESS_BYTES = Counter(
    "tempo_distributor_ingress_bytes", "Bytes that came in, before limits.", ["tenant"], registry=REGISTRY
)
ATTRIBUTES_TRUNCATED = Counter(
    "tempo_distributor_attributes_truncated", "Keys and values that were cut.", ["tenant"], registry=REGISTRY
)
DISCARDED_SPANS = Counter(
    "tempo_discarded_spans", "Spans that limits did not let in.", ["reason", "tenant"], registry=REGISTRY
)
DROPPED_DATAGRAMS = Counter(
    "tempo_dask_receiver_dropped_datagrams", "Datagrams lost to a full queue, or too large.", ["transport"],
    registry=REGISTRY,
)  # fmt: skip
RATE_LIMITED = "rate_limited"
TRACE_TOO_LARGE = "trace_too_large"
LIVE_TRACES_EXCEEDED = "live_traces_exceeded"
UNKNOWN_ERROR = "unknown_error"


def discard_nothing(tenant: str) -> None:
    """Show a tenant's discarded spans as 0 for every reason, so that a rate over them is right from the first one."""
    for reason in (RATE_LIMITED, TRACE_TOO_LARGE, LIVE_TRACES_EXCEEDED, UNKNOWN_ERROR):
        DISCARDED_SPANS.labels(reason, tenant)


INGESTED_BYTES = Counter(
    "tempo_ingester_bytes_received", "Bytes acknowledged.", ["tenant", "data_type"], registry=REGISTRY
)
TRACES_CREATED = Counter(
    "tempo_ingester_traces_created", "Traces of live chunks; one in several counts in each.", ["tenant"],
    registry=REGISTRY,
)  # fmt: skip
FLUSH_QUEUE = Gauge(
    "tempo_ingester_flush_queue_length", "Tenants whose chunks are to become a block.", registry=REGISTRY
)
FLUSH_RETRIES = Counter("tempo_ingester_flush_retries", "Flushes tried again after one that failed.", registry=REGISTRY)
FAILED_RETRIES = Counter("tempo_ingester_flush_failed_retries", "Those that failed again.", registry=REGISTRY)
BLOCKS_CLEARED = Counter(
    "tempo_ingester_blocks_cleared", "Times that live chunks were let go since a block holds them.", registry=REGISTRY
)
BLOCKS_FLUSHED = Counter("tempo_ingester_blocks_flushed", "Blocks published.", registry=REGISTRY)
FAILED_FLUSHES = Counter("tempo_ingester_failed_flushes", "Blocks that could not be published.", registry=REGISTRY)
FLUSH_DURATION = Histogram(
    "tempo_ingester_flush_duration_seconds",
    "Time to make and publish a block.",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 100),
    registry=REGISTRY,
)
FLUSH_SIZE = Histogram(
    "tempo_ingester_flush_size_bytes",
    "Memory of the chunks that became a block.",
    buckets=tuple(2.0**n for n in range(20, 33, 2)),
    registry=REGISTRY,
)
BLOCKLIST_LENGTH = Gauge("tempodb_blocklist_length", "Blocks listed.", ["tenant"], registry=REGISTRY)
REPLAY_ERRORS = Counter(
    "tempo_ingester_replay_errors", "Records of the log that cannot be read.", ["tenant"], registry=REGISTRY
)

WORK_EXECUTED = Counter(
    "tempo_querier_worker_request_executed", "Shares of queries' work that were done.", registry=REGISTRY
)
BATCH_SIZE = Histogram(
    "tempo_query_frontend_actual_batch_size",
    "Tasks of a share of a query's work.",
    buckets=tuple(2.0**n for n in range(9)),
    registry=REGISTRY,
)
RETRIES = Histogram(
    "tempo_query_frontend_retries",
    "Workers that a piece of work lost, so that others did their shares.",
    buckets=(0, 1, 2, 3, 4, 5),
    registry=REGISTRY,
)

RELOADED = Gauge(
    "tempo_runtime_config_last_reload_successful",
    "Whether the file of tenants could be used when it was last read.",
    ["config"],
    registry=REGISTRY,
)
KERNEL_COMPILATIONS = Counter(
    "tempo_dask_kernel_compilations", "Kernels compiled by this process; 0 where all came from the cache.",
    registry=REGISTRY,
)  # fmt: skip


class _CompilationListener(event.Listener):
    def on_start(self, _event: event.Event) -> None:
        KERNEL_COMPILATIONS.inc()

    def on_end(self, _event: event.Event) -> None:
        pass


event.register("numba:compile", _CompilationListener())  # type: ignore[no-untyped-call]  # numba is untyped


class ReceiverSpans(Collector):
    """Spans by receiver and transport, under Tempo's names: counters whose names lack `_total`.

    The client library insists on `_total` for its counters, so these are exposed without a type.
    """

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, receiver: str, transport: str, spans: int) -> None:
        """Count spans; belongs to the event loop."""
        key = (receiver, transport)
        self._counts[key] = self._counts.get(key, 0) + spans

    def collect(self) -> Iterable[Metric]:
        """Return the metric with a sample for each receiver and transport."""
        metric = Metric(self._name, self._documentation, "unknown")
        for (receiver, transport), count in list(self._counts.items()):
            metric.add_sample(self._name, {"receiver": receiver, "transport": transport}, count)
        yield metric


class LiveSpans(Collector):
    """What is live, looked up when somebody asks."""

    def __init__(self, usage: Callable[[], Iterable[LiveUsage]]) -> None:
        self._usage = usage

    def collect(self) -> Iterable[Metric]:
        """Return the gauges of every tenant."""
        traces = Metric("tempo_ingester_live_traces", "Traces that lie in no block yet.", "gauge")
        size = Metric("tempo_ingester_live_trace_bytes", "Memory of spans that lie in no block yet.", "gauge")
        for usage in self._usage():
            traces.add_sample(traces.name, {"tenant": usage.tenant}, usage.traces)
            size.add_sample(size.name, {"tenant": usage.tenant}, usage.chunk_bytes)
        return traces, size


class LiveUsage(Protocol):
    """What a tenant has live."""

    @property
    def tenant(self) -> str:
        """Return whose it is."""
        ...

    @property
    def traces(self) -> int:
        """Return the number of traces."""
        ...

    @property
    def chunk_bytes(self) -> int:
        """Return their memory."""
        ...


ACCEPTED_SPANS = ReceiverSpans("tempo_receiver_accepted_spans", "Spans taken from clients.")
REFUSED_SPANS = ReceiverSpans("tempo_receiver_refused_spans", "Spans refused.")
REGISTRY.register(ACCEPTED_SPANS)
REGISTRY.register(REFUSED_SPANS)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)


def exposition(accept: str) -> tuple[bytes, str]:
    """Return all metrics in the format that an `Accept` header asks for, and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type
