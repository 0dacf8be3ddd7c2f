"""Rates of tenants: a bucket of bytes each, refilled at the tenant's rate up to its burst."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tempo_dask.errors import TooManyRequests
from tempo_dask.ingest.limits import IngestLimits


class RateLimited(TooManyRequests):
    """A tenant sends more than its rate; where `retry_after_s` is not 0, clients are told to come back after it."""

    def __init__(self, text: str, spans: int, retry_after_s: float) -> None:
        super().__init__(text)
        self.spans = spans
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_s: float
    rate: float
    burst: float


def alone() -> int:
    """Return one: no other node takes spans."""
    return 1


class Rates:
    """The buckets of all tenants. Belongs to one event loop.

    A `global` rate is that of all nodes that take spans together, of which there are `nodes()`: each lets through its
    part of it, and any of them a whole burst.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, nodes: Callable[[], int] = alone) -> None:
        self._monotonic = monotonic
        self._nodes = nodes
        self._buckets: dict[str, _Bucket] = {}

    def refusal(self, tenant: str, size: int, limits: IngestLimits) -> str | None:
        """Take `size` bytes out of a tenant's bucket, or return why that cannot be (and take nothing)."""
        if limits.rate_limit_bytes is None:
            return None
        own_rate = limits.rate_limit_bytes / (self._nodes() if limits.rate_strategy == "global" else 1)
        bucket = self._filled(tenant, own_rate, limits.burst_size_bytes)
        if size <= bucket.tokens:
            bucket.tokens -= size
            return None
        return _text(tenant, size, limits, int(own_rate))

    def _filled(self, tenant: str, rate: float, burst: float) -> _Bucket:
        """Return a tenant's bucket as it is now. A new one is full; a raised burst has to fill."""
        now = self._monotonic()
        bucket = self._buckets.setdefault(tenant, _Bucket(burst, now, rate, burst))
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.filled_s) * bucket.rate)
        bucket.filled_s, bucket.rate, bucket.burst = now, rate, burst
        return bucket


def _text(tenant: str, size: int, limits: IngestLimits, rate: int) -> str:
    burst = limits.burst_size_bytes
    shared = int(limits.rate_limit_bytes or 0) if limits.rate_strategy == "global" else 0
    allowed = f"(local: {rate} bytes/s, global: {shared} bytes/s, burst: {burst} bytes)"
    if size > burst and size > rate:
        return (
            f"RATE_LIMITED: batch size ({size} bytes) exceeds ingestion limit {allowed} while adding {size} bytes for "
            f"user {tenant}. consider reducing batch size or increasing rate limit."
        )
    return (
        f"RATE_LIMITED: ingestion rate limit {allowed} exceeded while adding {size} bytes for user {tenant}. consider "
        "increasing the limit or reducing ingestion rate."
    )
