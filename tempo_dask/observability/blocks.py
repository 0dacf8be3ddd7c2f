"""What lies in the store, as `tempodb_*`: looked at now and then, so that dashboards know of it without a query."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from prometheus_client import Counter, Gauge, Histogram

from storage.errors import StorageError
from tempo_dask.telemetry import BLOCKLIST_LENGTH, REGISTRY

log = logging.getLogger(__name__)

_LIVE_OR_REMOVED = ["status", "tenant"]

POLL_DURATION = Histogram(
    "tempodb_blocklist_poll_duration_seconds",
    "Time to look up the blocks of all tenants.",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300),
    registry=REGISTRY,
)
POLL_ERRORS = Counter(
    "tempodb_blocklist_poll_errors", "Times that a tenant's blocks could not be looked up.", ["tenant"],
    registry=REGISTRY,
)  # fmt: skip
INDEX_ERRORS = Counter(
    "tempodb_blocklist_tenant_index_errors", "Times that a tenant's commit log could not be read.", ["tenant"],
    registry=REGISTRY,
)  # fmt: skip
INDEX_BUILDER = Gauge(
    "tempodb_blocklist_tenant_index_builder", "Whether this process keeps a tenant's list: all do, in its commit log.",
    ["tenant"], registry=REGISTRY,
)  # fmt: skip
INDEX_AGE = Gauge(
    "tempodb_blocklist_tenant_index_age_seconds", "How old a tenant's list is: the commit log is as new as its blocks.",
    ["tenant"], registry=REGISTRY,
)  # fmt: skip
OBJECTS = Gauge("tempodb_backend_objects_total", "Traces in blocks.", _LIVE_OR_REMOVED, registry=REGISTRY)
BYTES = Gauge("tempodb_backend_bytes_total", "Bytes of blocks.", _LIVE_OR_REMOVED, registry=REGISTRY)


class BlockList(Protocol):
    """A tenant's blocks as of one moment."""

    @property
    def blocks(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what the commit log says of each block: `trace_count`, `size_bytes`, and more."""
        ...


class Blocks(Protocol):
    """Where block lists come from."""

    def tenants(self) -> Collection[str]:
        """Return the tenants that have blocks."""
        ...

    def block_list(self, tenant: str) -> BlockList:
        """Return a tenant's newest list. Raises StorageError."""
        ...


class BlockMetrics:
    """Looks at the blocks of all tenants; `step` is for one thread."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def step(self) -> None:
        """Look once; a tenant that cannot be looked up is counted, and the others follow."""
        started = time.monotonic()
        for tenant in self._blocks.tenants():
            POLL_ERRORS.labels(tenant)
            INDEX_ERRORS.labels(tenant)
            try:
                self._tell(tenant)
            except StorageError as error:
                log.warning("the blocks of tenant %s cannot be looked up: %s", tenant, error)
                POLL_ERRORS.labels(tenant).inc()
                INDEX_ERRORS.labels(tenant).inc()
        POLL_DURATION.observe(time.monotonic() - started)

    def _tell(self, tenant: str) -> None:
        records = self._blocks.block_list(tenant).blocks.values()
        BLOCKLIST_LENGTH.labels(tenant).set(len(records))
        INDEX_BUILDER.labels(tenant).set(1)
        INDEX_AGE.labels(tenant).set(0)
        OBJECTS.labels("live", tenant).set(sum(record.get("trace_count", 0) for record in records))
        BYTES.labels("live", tenant).set(sum(record.get("size_bytes", 0) for record in records))
