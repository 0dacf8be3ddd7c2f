"""The door of the write path: whose request is it, and may that tenant send so much now?

Receivers hand over raw OTLP and the tenants' header. What is refused here never reaches a commit group.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tempo_dask import telemetry
from tempo_dask.errors import TempoDaskError, Unavailable
from tempo_dask.ingest.commit_group import Check
from tempo_dask.ingest.limits import IngestLimits, LimitsOf, unlimited
from tempo_dask.ingest.rates import RateLimited, Rates, alone
from tempo_dask.ingest.records import MalformedRequest
from tempo_dask.ingest.tenants import TenantOf, single_tenant

#: Takes (tenant, body), returns how many spans were taken once they are safe.
Commit: TypeAlias = Callable[[str, bytes], Awaitable[int]]
#: Takes (values of `X-Scope-OrgID`, body), returns how many spans were taken once they are safe.
Push: TypeAlias = Callable[[Sequence[str], bytes], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Rules:
    """Who is who, and who may what."""

    tenant_of: TenantOf = single_tenant
    limits_of: LimitsOf = unlimited
    retry_after_s: float = 0  # `distributor.retry_after_on_resource_exhausted`; 0 tells clients nothing
    nodes: Callable[[], int] = alone  # how many nodes take spans, this one among them


class Distributor:
    """Lets requests pass that have a tenant and keep within its rate. Belongs to one event loop."""

    def __init__(
        self,
        commit: Commit,
        check: Check,
        rules: Rules | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._commit = commit
        self._check = check
        self._rules = rules or Rules()
        self._rates = Rates(monotonic, self._rules.nodes)
        self._known: set[str] = set()

    async def push(self, org_ids: Sequence[str], body: bytes) -> int:
        """Return how many spans `body` held, once they are safe.

        Raises MalformedRequest, RefusedRequest or BadRequest with the client's answer, RateLimited, or Unavailable.
        """
        started = time.perf_counter()
        try:
            tenant = self._rules.tenant_of(org_ids)
        except TempoDaskError:
            if self._spans(body):
                raise
            return 0  # nobody's request, but there is nothing in it
        if tenant not in self._known:
            self._known.add(tenant)
            telemetry.discard_nothing(tenant)
        telemetry.INGRESS_BYTES.labels(tenant).inc(len(body))
        limits = self._rules.limits_of(tenant)
        self._require_rate(tenant, body, limits)
        spans = await self._committed(tenant, body)
        if limits.artificial_delay_s:
            await asyncio.sleep(limits.artificial_delay_s - (time.perf_counter() - started))
        telemetry.PUSH_DURATION.observe(time.perf_counter() - started)
        return spans

    async def _committed(self, tenant: str, body: bytes) -> int:
        """Return how many spans were taken; those of a request that could not be written are counted."""
        try:
            return await self._commit(tenant, body)
        except Unavailable:
            verdict = self._check([body])[0]
            telemetry.DISCARDED_SPANS.labels(telemetry.UNKNOWN_ERROR, tenant).inc(verdict.spans)
            raise

    def _require_rate(self, tenant: str, body: bytes, limits: IngestLimits) -> None:
        refusal = self._rates.refusal(tenant, len(body), limits) if body else None
        if refusal is None:
            return
        spans = self._spans(body)
        telemetry.DISCARDED_SPANS.labels(telemetry.RATE_LIMITED, tenant).inc(spans)
        raise RateLimited(refusal, spans, self._rules.retry_after_s if limits.retry_info_enabled else 0)

    def _spans(self, body: bytes) -> int:
        """Return how many spans a request holds that is refused all the same. Raises MalformedRequest."""
        verdict = self._check([body])[0]
        if verdict.error is not None and verdict.malformed:
            raise MalformedRequest(verdict.error)
        return verdict.spans
