"""Two nodes that take spans in: a query on either sees the live spans of both, or says that it does not."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.certificates import make_certificates
from tests.cluster.processes import WAIT_S, DaskProcesses, until
from tests.ingest.numbered import START_NS, body
from tests.kernels.otlp_strategies import field
from tests.service.test_tenants import TenantServer

WINDOW = {"start": START_NS // 10**9 - 10, "end": START_NS // 10**9 + 100}
CONFIG = """
multitenancy_enabled: true
cluster: {{address: "{address}", tls: {{{tls}}}}}
storage: {{trace: {{backend: local, local: {{path: {blocks}}}}}}}
overrides: {{defaults: {{ingestion: {{rate_strategy: global, rate_limit_bytes: 3000000, burst_size_bytes: 4000000}}}}}}
"""


@dataclass(frozen=True)
class Pair:
    """Two servers over the same blocks, and the scheduler that they share."""

    dask: DaskProcesses
    servers: tuple[TenantServer, TenantServer]

    def until_joined(self) -> None:
        """Wait until both know both."""
        for server in self.servers:
            until(lambda server=server: server.ask("/ingester/ring").text.count("ACTIVE") == 2, "both join")


@pytest.fixture(scope="module", params=["tls", pytest.param("tcp", marks=pytest.mark.slow)])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if request.param == "tls" and shutil.which("openssl") is None:
        pytest.skip("certificates are made with openssl")
    folder = tmp_path_factory.mktemp("nodes")
    tls = make_certificates(folder) if request.param == "tls" else None
    with ExitStack() as stack:
        dask = stack.enter_context(DaskProcesses(folder, tls=tls.options if tls else ()))
        assert dask.address.startswith(f"{request.param}://")
        text = CONFIG.format(address=dask.address, tls=tls.section if tls else "", blocks=folder / "blocks")
        (folder / "tempo.yaml").write_text(text)
        first, second = (
            stack.enter_context(TenantServer(folder / name, "--config", str(folder / "tempo.yaml")))
            for name in ("first", "second")
        )
        found = Pair(dask, (first, second))
        found.until_joined()
        yield found


def ask(server: TenantServer, tenant: str, path: str, **parameters: object) -> Any:
    status, answer = server.ask_as(tenant, path, **parameters)
    assert status == 200, answer
    return json.loads(answer)


def asked(server: TenantServer, tenant: str, query: str = "{}") -> tuple[list[int], bool]:
    """Return the numbers of the spans that a server finds, and whether it says that there are more."""
    answer = ask(server, tenant, "/api/search", q=query, limit=1000, spss=100, **WINDOW)
    sets = [found for trace in answer.get("traces", []) for found in trace["spanSets"]]
    metrics: dict[str, Any] = answer["metrics"]
    is_partial = metrics.get("completedJobs", 0) < metrics.get("totalJobs", 0)
    return sorted(int(span["spanID"], 16) - 1 for found in sets for span in found["spans"]), is_partial


def seen(server: TenantServer, tenant: str, query: str = "{}") -> list[int]:
    """Return the numbers of all spans: on a busy machine a node may seem to be lost, and then the answer says so."""
    deadline = time.monotonic() + WAIT_S
    while True:
        numbers, is_partial = asked(server, tenant, query)
        if not is_partial:
            return numbers
        assert time.monotonic() < deadline, "the answer stays partial"


def counted(server: TenantServer, tenant: str) -> float:
    answer = ask(server, tenant, "/api/metrics/query", q="{} | count_over_time()", **WINDOW)
    return sum(float(series["value"]) for series in answer["series"])


def push(server: TenantServer, tenant: str, numbers: range) -> None:
    status, answer = server.push_as(tenant, body(numbers))
    assert status == 200, answer


def test_each_node_sees_the_live_spans_of_both(pair: Pair) -> None:
    first, second = pair.servers
    push(first, "both", range(0, 60, 2))
    push(second, "both", range(1, 60, 2))  # traces have spans on either node
    for server in pair.servers:
        assert seen(server, "both") == list(range(60))
        assert seen(server, "both", "{ .number > 3 && .number < 9 }") == [4, 5, 6, 7, 8]
        until(lambda server=server: counted(server, "both") == 60, "all are counted")
        until(lambda server=server: spans_of_trace(server, 5) == 3, "a trace is put together by id")
        until(lambda server=server: whole(server) == [3] * 20, "all traces are whole")


def spans_of_trace(server: TenantServer, number: int) -> int:
    trace = ask(server, "both", f"/api/v2/traces/{number:032x}")["trace"]
    return sum(len(scope["spans"]) for one in trace["resourceSpans"] for scope in one["scopeSpans"])


def whole(server: TenantServer) -> list[int]:
    """Return how many spans each trace of three has; one in pieces would not be found."""
    found = ask(server, "both", "/api/search", q="{} | count() = 3", limit=1000, **WINDOW).get("traces", [])
    return [stats["spanCount"] for trace in found for stats in trace["serviceStats"].values()]


def test_what_becomes_a_block_is_seen_once(pair: Pair) -> None:
    first, second = pair.servers
    push(first, "flushed", range(30))
    push(second, "flushed", range(30, 45))
    first.flush()
    push(first, "flushed", range(45, 60))
    for server in pair.servers:
        assert seen(server, "flushed") == list(range(60))
    second.flush()
    for server in pair.servers:
        assert seen(server, "flushed") == list(range(60))


def test_tenants_stay_apart(pair: Pair) -> None:
    first, second = pair.servers
    push(first, "one", range(9))
    push(second, "other", range(100, 109))
    assert seen(second, "one") == list(range(9))
    assert seen(first, "other") == list(range(100, 109))
    assert seen(first, "third") == []


@pytest.mark.slow
def test_a_global_rate_is_that_of_both(pair: Pair) -> None:
    unknown = field(15, 2, bytes(4_000_001))
    for server in pair.servers:
        status, answer = server.push_as("sender", body(range(2)) + unknown)
        assert (status, b"local: 1500000 bytes/s, global: 3000000 bytes/s" in answer) == (429, True), answer


def test_a_node_that_is_gone_is_missed_until_it_is_back(pair: Pair) -> None:
    first, second = pair.servers
    push(second, "gone", range(20, 30))
    push(first, "gone", range(20))
    assert seen(first, "gone") == list(range(30))
    second.kill()
    assert asked(first, "gone") == (list(range(20)), True)
    second.start()
    pair.until_joined()
    assert seen(first, "gone") == list(range(30))
