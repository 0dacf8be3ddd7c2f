"""Spans that are not taken are counted, by why."""

from __future__ import annotations

import asyncio

import pytest

from tempo_dask.errors import Unavailable
from tempo_dask.ingest.distributor import Distributor, Rules
from tempo_dask.ingest.limits import UNLIMITED, IngestLimits
from tempo_dask.ingest.rates import RateLimited
from tempo_dask.kernels import otlp
from tempo_dask.telemetry import REGISTRY
from tests.ingest.numbered import body

TENANT = "single-tenant"


def discarded(reason: str) -> float:
    return REGISTRY.get_sample_value("tempo_discarded_spans_total", {"reason": reason, "tenant": TENANT}) or 0


async def take_all(_tenant: str, _body: bytes) -> int:
    return 3


async def take_none(_tenant: str, _body: bytes) -> int:
    raise Unavailable("not now")


@pytest.mark.parametrize(
    ("reason", "commit", "limits", "refusal"),
    [
        ("rate_limited", take_all, IngestLimits(rate_limit_bytes=1, burst_size_bytes=1), RateLimited),
        ("unknown_error", take_none, UNLIMITED, Unavailable),
    ],
)
def test_each_reason_counts_its_spans(reason: str, commit: object, limits: IngestLimits, refusal: type) -> None:
    before = discarded(reason)
    distributor = Distributor(commit, otlp.check, Rules(limits_of=lambda _tenant: limits))  # type: ignore[arg-type]  # either
    for sent in (body(range(3)), body(range(4))):
        with pytest.raises(refusal):
            asyncio.run(distributor.push([], sent))
    assert discarded(reason) - before == 7
