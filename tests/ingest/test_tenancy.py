"""Whose spans they are, and how much a tenant may send: answers as recorded, by every protocol."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
from google.rpc.status_pb2 import Status
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tempo_dask.errors import TempoDaskError
from tempo_dask.ingest.distributor import Distributor, Rules
from tempo_dask.ingest.limits import IngestLimits
from tempo_dask.ingest.rates import Rates
from tempo_dask.ingest.receivers.http_bodies import HttpReceiver
from tempo_dask.ingest.receivers.jaeger_http import jaeger_http
from tempo_dask.ingest.receivers.otlp_http import otlp_http as make_otlp_http
from tempo_dask.ingest.receivers.zipkin_http import zipkin_http
from tempo_dask.ingest.tenants import tenant_of
from tempo_dask.kernels import otlp
from tests.ingest.conftest import Taken
from tests.ingest.exchanges import Exchange, answered_body, exchanges_of, sent_body
from tests.ingest.http_client import Answer, ask_async

RECEIVER_OF = {"/v1/traces": "otlp", "/api/v2/spans": "zipkin", "/api/traces": "jaeger"}
LIMITS = {
    "limited": IngestLimits(rate_limit_bytes=2000, burst_size_bytes=3000),
    "gen": IngestLimits(rate_limit_bytes=0, burst_size_bytes=0, retry_info_enabled=False),
}


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest_asyncio.fixture
async def urls(taken: Taken) -> AsyncIterator[dict[str, str]]:
    """The receivers over HTTP of a server with tenancy, whose clock stands still."""
    rules = Rules(tenant_of, lambda tenant: LIMITS.get(tenant, IngestLimits()), retry_after_s=7)
    push = Distributor(taken.commit, otlp.check, rules, Clock()).push
    receivers: dict[str, HttpReceiver] = {
        "otlp": make_otlp_http(push),
        "zipkin": zipkin_http(push),
        "jaeger": jaeger_http(push),
    }
    yield {name: f"http://127.0.0.1:{await r.start('127.0.0.1', 0)}" for name, r in receivers.items()}
    for receiver in receivers.values():
        await receiver.stop_receiving()
        await receiver.stop()


async def send(urls: dict[str, str], exchange: Exchange) -> Answer:
    url = urls[RECEIVER_OF[exchange["path"]]]
    return await ask_async(url + exchange["path"], exchange["method"], sent_body(exchange), exchange["headers"])


def pushes(shared: Path, area: str) -> list[Exchange]:
    return [e for e in exchanges_of(shared, area) if e["path"] in RECEIVER_OF and e["method"] == "POST"]


def same_body(answer: Answer, exchange: Exchange) -> bool:
    return said(answer.body, answer.headers["Content-Type"]) == said(
        answered_body(exchange), answer.headers["Content-Type"]
    )


def said(body: bytes, content_type: str | None) -> object:
    """Return what a body says, but for sizes: Tempo counts a request as it would write it, not as it came."""
    without_sizes = re.sub(rb"(batch size \(|adding )[0-9]+", rb"\1N", body)
    return orjson.loads(without_sizes) if content_type == "application/json" else without_sizes


async def test_recorded_tenants(shared: Path, urls: dict[str, str]) -> None:
    exchanges = pushes(shared, "tenancy")
    assert len(exchanges) > 25
    for exchange in exchanges:
        answer = await send(urls, exchange)
        assert answer.status == exchange["status"], exchange
        assert same_body(answer, exchange), (answer.body, exchange)


async def test_recorded_rates(shared: Path, urls: dict[str, str], taken: Taken) -> None:
    exchanges = [e for e in pushes(shared, "limits") if e["headers"]["X-Scope-OrgID"] in LIMITS]
    assert len(exchanges) == 7
    for exchange in exchanges:
        answer = await send(urls, exchange)
        assert (answer.status, answer.headers["Retry-After"]) == (
            exchange["status"],
            exchange["response_headers"].get("retry-after"),
        ), exchange
        assert same_body(answer, exchange), (answer.body, answered_body(exchange))
    assert taken.tenants == ["limited", "limited"]  # what fits the burst, and the empty request


async def test_retry_info_is_as_protobuf_has_it(shared: Path, urls: dict[str, str]) -> None:
    above = next(e for e in pushes(shared, "limits") if e.get("note") == "above burst")
    status = Status.FromString((await send(urls, above)).body)
    assert [detail.type_url for detail in status.details] == ["type.googleapis.com/google.rpc.RetryInfo"]


async def test_spans_go_to_their_tenant(shared: Path, urls: dict[str, str], taken: Taken) -> None:
    for exchange in pushes(shared, "tenancy"):
        if exchange["status"] in (200, 202) and exchange["headers"].get("X-Scope-OrgID") == "t1":
            await send(urls, exchange)
    assert set(taken.tenants) == {"t1"}
    assert len(taken.tenants) == len(RECEIVER_OF)
    assert all(TracesData.FromString(body).resource_spans for body in taken.bodies)


@pytest.mark.parametrize(
    ("values", "tenant"),
    [(["a"], "a"), (["a|a"], "a"), (["a:x"], "a"), (["a:x|a:y"], "a"), (["x" * 150], "x" * 150)],
)
def test_tenants(values: list[str], tenant: str) -> None:
    assert tenant_of(values) == tenant


@pytest.mark.parametrize("values", [[], ["a", "a"], [""], ["|a"], ["a|b"], ["."], ["ä"], ["x" * 151]])
def test_no_tenants(values: list[str]) -> None:
    with pytest.raises(TempoDaskError):
        tenant_of(values)


def test_a_bucket_fills_at_its_rate() -> None:
    clock = Clock()
    rates = Rates(clock)
    limits = IngestLimits(rate_limit_bytes=10, burst_size_bytes=100)
    assert rates.refusal("t", 100, limits) is None
    assert rates.refusal("t", 1, limits)
    clock.now_s += 1
    assert rates.refusal("t", 11, limits)
    assert rates.refusal("t", 10, limits) is None
    clock.now_s += 1000
    assert rates.refusal("t", 101, limits)
    assert rates.refusal("t", 100, limits) is None


def test_a_global_rate_is_divided_by_the_nodes() -> None:
    clock, nodes = Clock(), 4
    rates = Rates(clock, lambda: nodes)
    limits = IngestLimits(rate_limit_bytes=40, burst_size_bytes=100, rate_strategy="global")
    assert rates.refusal("t", 100, limits) is None
    clock.now_s += 1
    refused = rates.refusal("t", 11, limits)
    assert "(local: 10 bytes/s, global: 40 bytes/s, burst: 100 bytes)" in str(refused)
    assert rates.refusal("t", 10, limits) is None
    nodes = 1
    assert rates.refusal("t", 40, limits)  # the bucket was filled at the rate of before
    clock.now_s += 1
    assert rates.refusal("t", 40, limits) is None


def test_a_raised_burst_starts_empty_and_tenants_have_their_own() -> None:
    clock = Clock()
    rates = Rates(clock)
    nothing = IngestLimits(rate_limit_bytes=0, burst_size_bytes=0)
    assert rates.refusal("t", 1, nothing)
    raised = IngestLimits(rate_limit_bytes=10, burst_size_bytes=100)
    assert rates.refusal("t", 1, raised)
    assert rates.refusal("u", 100, raised) is None
    clock.now_s += 10
    assert rates.refusal("t", 100, raised) is None
