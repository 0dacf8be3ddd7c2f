"""What holds now, looked up when somebody asks: who shares the work, and what tenants may do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tempo_dask.config.overrides import TenantOverrides
from tempo_dask.overrides import TenantSettings

_STATES = ("ACTIVE", "LEAVING", "PENDING", "JOINING", "Unhealthy")


class Members(Collector):
    """The parts of the service as members of Tempo's rings; each has one, this process."""

    def __init__(self, parts: Iterable[str], not_ready: Callable[[], str | None]) -> None:
        self._parts = tuple(parts)
        self._not_ready = not_ready

    def collect(self) -> Iterable[Metric]:
        """Return how many members each ring has in each state."""
        state = "ACTIVE" if self._not_ready() is None else "LEAVING"
        members = Metric("tempo_ring_members", "Members by what they are and how they are.", "gauge")
        for part in self._parts:
            for known in _STATES:
                members.add_sample(members.name, {"name": part, "state": known}, int(known == state))
        yield members
        clients = Metric("tempo_distributor_ingester_clients", "Ingesters that spans go to.", "gauge")
        clients.add_sample(clients.name, {}, 1)
        yield clients
        queriers = Metric("tempo_query_frontend_connected_clients", "Who runs queries.", "gauge")
        queriers.add_sample(queriers.name, {}, 1)
        yield queriers


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
