"""What is taken in, told as Tempo tells of an ingester's requests, and as spans of our own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import Counter

from tempo_dask.errors import TempoDaskError
from tempo_dask.ingest.distributor import Push
from tempo_dask.telemetry import REGISTRY, REQUEST_DURATION

METHOD, ROUTE = "gRPC", "/tempopb.Pusher/PushBytesV2"  # under which Tempo's dashboards look for writes

APPENDS = Counter("tempo_distributor_ingester_appends", "Requests that were written.", ["ingester"], registry=REGISTRY)
FAILURES = Counter(
    "tempo_distributor_ingester_append_failures", "Requests that could not be written.", ["ingester"],
    registry=REGISTRY,
)  # fmt: skip

#: Keeps a span: name, start in nanoseconds since 1970, seconds, status, attributes.
Record = Callable[[str, int, float, int, Mapping[str, str | int]], None]

_OK, _CLIENT_LEFT, _FAILED = 200, 499, 500


class ObservedPush:
    """Hands requests on, and tells how that ended. `ingester` is the name of this process."""

    def __init__(self, push: Push, ingester: str, record: Record | None = None) -> None:
        self._push = push
        self._record = record
        self._appends = APPENDS.labels(ingester)
        self._failures = FAILURES.labels(ingester)

    async def push(self, org_ids: Sequence[str], body: bytes) -> int:
        """Return how many spans were taken, and raise, as what it hands on to does."""
        started_ns, started, status, spans = time.time_ns(), time.perf_counter(), _FAILED, 0
        try:
            spans = await self._push(org_ids, body)
            status = _OK
        except TempoDaskError as error:
            status = error.status
            raise
        except asyncio.CancelledError:
            status = _CLIENT_LEFT
            raise
        finally:
            seconds = time.perf_counter() - started
            self._count(status, seconds)
            if self._record is not None:
                told: dict[str, str | int] = {"tenant": ",".join(org_ids), "tempo.bytes": len(body)}
                self._record("push", started_ns, seconds, status, {**told, "tempo.spans": spans})
        return spans

    def _count(self, status: int, seconds: float) -> None:
        REQUEST_DURATION.labels(METHOD, ROUTE, str(status), "false").observe(seconds)
        self._appends.inc()
        if status >= _FAILED:
            self._failures.inc()
