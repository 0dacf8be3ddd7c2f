"""Who asks over HTTP, whose spans, and what is refused before a query is looked at."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tempo_dask.api.authentication import Credentials
from tempo_dask.api.limits import RequestLimits
from tempo_dask.api.tenancy import one_tenant_of, tenants_of
from tempo_dask.engine.results import FoundTrace, QueryMetrics, SearchResult
from tempo_dask.errors import BadRequest, NotAuthenticated, Unauthorized
from tests.api.conftest import Served, serving

QUERIES = (
    "/api/search?q=%7B%7D",
    "/api/traces/7",
    "/api/v2/traces/7",
    "/api/search/tags",
    "/api/v2/search/tags",
    "/api/search/tag/name/values",
    "/api/v2/search/tag/name/values",
    "/api/metrics/query_range?q=%7B%7D%7Crate()&since=1m",
    "/api/metrics/query?q=%7B%7D%7Crate()&since=1m",
    "/querier/api/search",
)
FOR_ALL = ("/api/echo", "/api/status/buildinfo", "/ready", "/metrics")
BASIC = base64.b64encode(b"grafana:secret").decode()


@pytest.fixture
async def tenants() -> AsyncIterator[Served]:
    async with serving(Served(options={"tenant_of": tenants_of})) as served:
        yield served


@pytest.fixture
async def guarded() -> AsyncIterator[Served]:
    known = Credentials(["token"], {"grafana": "secret"})
    async with serving(Served(options={"authenticate": known.authenticate})) as served:
        yield served


@pytest.mark.parametrize("path", QUERIES)
async def test_queries_need_a_tenant(tenants: Served, path: str) -> None:
    answer = await tenants.fetch(path)
    assert (answer.code, answer.body) == (401, b"no org id\n")
    assert tenants.engine.asked == []


@pytest.mark.parametrize("path", QUERIES)
async def test_queries_are_about_the_tenant_that_is_named(tenants: Served, path: str) -> None:
    await tenants.fetch(path, headers={"X-Scope-OrgID": "t1"})
    assert [request.tenant for request in tenants.engine.asked] == ["t1"]


@pytest.mark.parametrize("path", FOR_ALL)
async def test_other_paths_need_no_tenant(tenants: Served, path: str) -> None:
    assert (await tenants.fetch(path)).code == 200


@pytest.mark.parametrize(
    ("header", "tenant"),
    [("t1", "t1"), ("t2|t1|t1", "t1|t2"), ("a|a", "a"), ("t1:k=v", "t1"), ("T1", "T1"), ("!-_.*'()", "!-_.*'()")],
)
def test_tenants_are_named_once_and_in_order(header: str, tenant: str) -> None:
    assert tenants_of([header]) == tenant


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("a/b", "tenant ID 'a/b' contains unsupported character '/'"),
        ("t1|a/b", "tenant ID 'a/b' contains unsupported character '/'"),
        ("..", "tenant ID is '.' or '..'"),
        ("x" * 151, "tenant ID is too long: max 150 characters"),
        ("|", "no org id"),
        ("t1|", "no org id"),
    ],
)
async def test_wrong_tenants_are_refused(tenants: Served, header: str, text: str) -> None:
    answer = await tenants.fetch("/api/search", headers={"X-Scope-OrgID": header})
    assert (answer.code, answer.body.decode()) == (400, text)


@pytest.mark.parametrize(
    ("header", "status", "text"),
    [
        (None, 401, "no org id\n"),
        ("t1|t2", 400, "multiple org IDs present\n"),
        ("a/b", 400, "tenant ID 'a/b' contains unsupported character '/'\n"),
    ],
)
async def test_settings_are_of_one_tenant(tenants: Served, header: str | None, status: int, text: str) -> None:
    answer = await tenants.fetch("/api/overrides", headers={} if header is None else {"X-Scope-OrgID": header})
    assert (answer.code, answer.body.decode()) == (status, text)


async def test_summaries_are_of_one_tenant(tenants: Served) -> None:
    path = "/api/metrics/summary?q=%7B%7D&groupBy=name"
    answers = [await tenants.fetch(path, headers={"X-Scope-OrgID": name}) for name in ("t1", "t1|t2")]
    assert [(answer.code, answer.body) for answer in answers] == [
        (200, b"{}"),
        (400, b"multi-tenant query unsupported"),
    ]
    assert {request.tenant for request in tenants.engine.asked} == {"t1"}
    assert (await tenants.fetch(path)).code == 401


def test_several_tenants_can_be_switched_off() -> None:
    assert one_tenant_of(["a|a"]) == "a"
    with pytest.raises(BadRequest, match="multi-tenant query unsupported"):
        one_tenant_of(["a|b"])
    with pytest.raises(Unauthorized):
        one_tenant_of([])


async def test_limits_are_those_of_the_tenant() -> None:
    def limits_of(tenant: str) -> RequestLimits:
        return RequestLimits(max_traces=5 if tenant == "small" else 50)

    options: dict[str, Any] = {"tenant_of": tenants_of, "limits_of": limits_of}
    async with serving(Served(options=options)) as served:
        refused = await served.fetch("/api/search?limit=10", headers={"X-Scope-OrgID": "small"})
        assert refused.body == b"limit 10 exceeds max limit 5"
        assert (await served.fetch("/api/search?limit=10", headers={"X-Scope-OrgID": "large"})).code == 200


@pytest.mark.parametrize("value", ["Bearer token", "bearer token", f"Basic {BASIC}"])
async def test_who_is_known_may_ask(guarded: Served, value: str) -> None:
    assert (await guarded.fetch("/api/search", headers={"Authorization": value})).code == 200


@pytest.mark.parametrize(
    "value", [None, "", "token", "Bearer ", "Bearer tokens", "Basic ?", "Basic dG9rZW4=", "Digest x"]
)
@pytest.mark.parametrize("path", ["/api/search", "/api/echo", "/metrics", "/flush", "/shutdown", "/nothing"])
async def test_who_is_not_known_is_refused_everywhere(guarded: Served, path: str, value: str | None) -> None:
    answer = await guarded.fetch(path, headers={} if value is None else {"Authorization": value})
    assert (answer.code, answer.body) == (401, b"unauthorized\n")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tempo", Basic realm="tempo"'
    assert not guarded.operations.flushed
    assert not guarded.operations.is_shut_down


async def test_readiness_is_told_to_everybody(guarded: Served) -> None:
    assert (await guarded.fetch("/ready")).code == 200


def test_nobody_is_known_by_nothing() -> None:
    for value in ("Bearer ", "Basic ", f"Basic {base64.b64encode(b':').decode()}"):
        with pytest.raises(NotAuthenticated):
            Credentials().authenticate([value])


async def test_denied_urls_are_refused() -> None:
    denied = (re.compile("name%3D%22slow"),)
    async with serving(Served(options={"denied_urls": denied})) as served:
        url = "/api/search?q=%7Bname%3D%22slow%22%7D"
        answer = await served.fetch(url)
        text = (
            f"Invalid request {url}. This query has been identified as one that destabilizes our system. "
            "Contact your system administrator for more information"
        )
        assert (answer.code, answer.body.decode()) == (400, text)
        assert (await served.fetch("/api/search?q=%7B%7D")).code == 200


async def test_queries_have_a_time_limit() -> None:
    async with serving(Served(options={"timeout_s": 0.05})) as served:
        served.engine.takes_for_ever = True
        answer = await served.fetch("/api/search")
        assert (answer.code, answer.body) == (503, b"unable to process request in the configured timeout")
        await asyncio.wait_for(served.engine.was_cancelled.wait(), 60)


async def test_who_does_not_read_gives_its_answer_up() -> None:
    async with serving(Served(options={"write_timeout_s": 0.2})) as served:
        traces = (FoundTrace(number.to_bytes(16), number, 0, "shop", "x" * 4000) for number in range(1, 5000))
        served.engine.found = SearchResult(tuple(traces), QueryMetrics())
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        writer.write(b"GET /api/search HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(served.engine.started.wait(), 60)
        await asyncio.sleep(2)
        read = 0
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.wait_for(reader.read(1 << 20), 60):
                read += len(piece)
        assert read < 20_000_000
        writer.close()
        assert (await served.fetch("/api/echo")).code == 200


async def test_other_origins_are_not_let_in(served: Served) -> None:
    """Browsers keep other sites' pages from reading the answers."""
    for method in ("GET", "OPTIONS"):
        answer = await served.fetch("/api/search", method, headers={"Origin": "https://elsewhere.example"})
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
