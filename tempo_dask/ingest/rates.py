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


class Rates:
    """The buckets of all tenants. Belongs to one event loop."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, _Bucket] = {}

    def refusal(self, tenant: str, size: int, limits: IngestLimits) -> str | None:
        """Take `size` bytes out of a tenant's bucket, or return why that cannot be (and take nothing)."""
        if limits.rate_limit_bytes is None:
            return None
        bucket = self._filled(tenant, limits.rate_limit_bytes, limits.burst_size_bytes)
        if size <= bucket.tokens:
            bucket.tokens -= size
            return None
        return _text(tenant, size, limits)

    def _filled(self, tenant: str, rate: float, burst: float) -> _Bucket:
        """Return a tenant's bucket as it is now. A new one is full; a raised burst has to fill."""
        now = self._monotonic()
        bucket = self._buckets.setdefault(tenant, _Bucket(burst, now, rate, burst))
        bucket.tokens = min(burst, bucket.tokens + (now - bucket.filled_s) * bucket.rate)
        bucket.filled_s, bucket.rate, bucket.burst = now, rate, burst
        return bucket


def _text(tenant: str, size: int, limits: IngestLimits) -> str:
    rate = int(limits.rate_limit_bytes or 0)
    burst = limits.burst_size_bytes
    shared = rate if limits.rate_strategy == "global" else 0
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
