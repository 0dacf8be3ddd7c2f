"""What holds now, looked up when somebody asks: who shares the work, and what tenants may do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tempo_dask.cluster.choice import Fabric
from tempo_dask.config.overrides import TenantOverrides
from tempo_dask.overrides.tenants import TenantSettings
from tempo_dask.status import Member

_STATES = ("ACTIVE", "LEAVING", "PENDING", "JOINING", "Unhealthy")
#: As what the status pages show a state.
_OF_OTHERS = {"Unhealthy": "LOST"}
#: What other members do, and the rings of those that hold live spans.
LIVE_SPANS, QUERIES = "live spans", "query"
_INGEST = ("distributor", "ingester")


class Members(Collector):
    """Who does what: this process, and the workers and nodes of a cluster, as members of Tempo's rings.

    `parts` are what this process is; `others` are workers, and nodes that hold live spans, those that are lost too.
    """

    def __init__(
        self,
        parts: Iterable[str],
        not_ready: Callable[[], str | None],
        others: Callable[[], Sequence[Member]] = tuple,
    ) -> None:
        self._parts = tuple(parts)
        self._not_ready = not_ready
        self._others = others

    def collect(self) -> Iterable[Metric]:
        """Return how many members each ring has in each state, and how many others work for this process."""
        own = "ACTIVE" if self._not_ready() is None else "LEAVING"
        others = Counter((state, does) for _, state, _, does in self._others())
        yield self._members(own, others)
        nodes, workers = others["ACTIVE", LIVE_SPANS], others["ACTIVE", QUERIES]
        yield _gauge("tempo_distributor_ingester_clients", "Ingesters that spans go to.", 1)
        yield _gauge("tempo_querier_ingester_clients", "Ingesters whose live spans queries see.", 1 + nodes)
        yield _gauge("tempo_query_frontend_connected_clients", "Who runs queries.", max(1, workers))

    def _members(self, own: str, others: Mapping[tuple[str, str], int]) -> Metric:
        members = Metric("tempo_ring_members", "Members by what they are and how they are.", "gauge")
        for part in self._parts:
            for state in _STATES:
                count = others.get((_OF_OTHERS.get(state, state), LIVE_SPANS), 0) if part in _INGEST else 0
                members.add_sample(members.name, {"name": part, "state": state}, count + (state == own))
        return members


def _gauge(name: str, documentation: str, value: float) -> Metric:
    metric = Metric(name, documentation, "gauge")
    metric.add_sample(name, {}, value)
    return metric


class WorkQueue(Collector):
    """How much of queries' work waits."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    def collect(self) -> Iterable[Metric]:
        """Return the gauge."""
        text = "Shares of queries' work that wait for a thread; on a cluster tasks that are not done."
        yield _gauge("tempodb_work_queue_length", text, self._fabric.waiting_tasks)


class Limits(Collector):
    """What all tenants may do, and what those may that have settings of their own."""

    def __init__(self, settings: TenantSettings) -> None:
        self._settings = settings

    def collect(self) -> Iterable[Metric]:
        """Return the limits by name, those of tenants by tenant too."""
        defaults = Metric("tempo_limits_defaults", "What holds for everybody.", "gauge")
        for name, limit in limits_of(self._settings.config.defaults).items():
            defaults.add_sample(defaults.name, {"limit_name": name}, limit)
        yield defaults
        overrides = Metric("tempo_limits_overrides", "What holds for a tenant.", "gauge")
        for tenant, settings in self._settings.tenants.items():
            for name, limit in limits_of(settings).items():
                overrides.add_sample(overrides.name, {"limit_name": name, "user": tenant}, limit)
        yield overrides


def limits_of(settings: TenantOverrides) -> Mapping[str, float]:
    """Return limits under the names that Tempo's metrics have for them; 0 is no limit."""
    ingestion = settings.ingestion
    return {
        "ingestion_rate_limit_bytes": ingestion.rate_limit_bytes or 0,
        "ingestion_burst_size_bytes": ingestion.burst_size_bytes,
        "max_local_traces_per_user": ingestion.max_traces_per_user,
        "max_global_traces_per_user": ingestion.max_global_traces_per_user,
        "max_bytes_per_trace": settings.global_.max_bytes_per_trace,
        "block_retention": settings.compaction.block_retention.total_seconds(),
    }
