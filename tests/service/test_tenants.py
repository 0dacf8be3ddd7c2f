"""Tenants: what one sent no other sees on any path, and `a|b` sees what both sent as one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tempo_dask.api.pb import tempo_pb2 as pb
from tests.ingest.exchanges import Exchange, exchanges_of
from tests.serving import ServerProcess

CONFIG = """
multitenancy_enabled: true
query_frontend: {url_deny_list: ["denied%20by%20us"]}
"""
#: Both tenants have spans of this trace.
SHARED_TRACE = bytes(15) + b"\x07"
EVER: dict[str, Any] = {"start": int(time.time()) - 3000, "end": int(time.time()) + 600}
#: Paths where the answer's body names the tenant's service.
NAMES_SERVICE = (
    ("/api/search", {"q": "{ }", **EVER}),
    ("/api/search/tag/service.name/values", EVER),
    ("/api/v2/search/tag/resource.service.name/values", EVER),
    ("/api/metrics/query_range", {"q": "{ } | rate() by (resource.service.name)", **EVER}),
    ("/api/metrics/query", {"q": "{ } | rate() by (resource.service.name)", **EVER}),
    (f"/api/traces/{SHARED_TRACE.hex()}", {}),
    (f"/api/v2/traces/{SHARED_TRACE.hex()}", {}),
)
NAMES_KEY = (("/api/search/tags", EVER), ("/api/v2/search/tags", EVER))


def spans_of(tenant: str, count: int) -> bytes:
    """Return a trace of the tenant's own, with its name for service and key, and a span of the shared trace."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    service = resource_spans.resource.attributes.add(key="service.name")
    service.value.string_value = f"service-{tenant}"
    scope_spans = resource_spans.scope_spans.add()
    now = time.time_ns()
    for number in range(count):
        trace_id = SHARED_TRACE if number == 0 else tenant.encode().zfill(16)
        span = scope_spans.spans.add(trace_id=trace_id, span_id=f"{tenant}{number}".encode().zfill(8), name="op")
        span.start_time_unix_nano, span.end_time_unix_nano = now, now + (number + 1) * 1_000_000
        span.attributes.add(key=f"key-{tenant}").value.int_value = number
    return request.SerializeToString()


class TenantServer(ServerProcess):
    """A server that is asked and sent to in somebody's name."""

    def ask_as(self, tenant: str | None, path: str, method: str = "GET", **parameters: object) -> tuple[int, bytes]:
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self._send(Request(f"{self.url}{path}{query}", method=method), tenant)

    def push_as(self, tenant: str | None, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/x-protobuf"}
        return self._send(Request(f"http://{self.addresses['otlp_http']}/v1/traces", body, headers), tenant)

    @staticmethod
    def _send(request: Request, tenant: str | None) -> tuple[int, bytes]:
        if tenant is not None:
            request.add_header("X-Scope-OrgID", tenant)
        try:
            with urlopen(request, timeout=300) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.read()


@pytest.fixture(scope="module", params=["live", "flushed"])
def server(request: pytest.FixtureRequest, running: TenantServer) -> TenantServer:
    if request.param == "flushed":
        running.flush()
    return running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TenantServer]:
    folder = tmp_path_factory.mktemp("tenants")
    (folder / "tempo.yaml").write_text(CONFIG)
    with TenantServer(folder / "data", "--config", str(folder / "tempo.yaml")) as found:
        for tenant, count in (("red", 3), ("blue", 5)):
            assert found.push_as(tenant, spans_of(tenant, count))[0] == 200
        yield found


@pytest.mark.parametrize(("path", "parameters"), NAMES_SERVICE)
def test_tenants_see_their_own_alone(server: TenantServer, path: str, parameters: dict[str, Any]) -> None:
    for tenant, other in (("red", "blue"), ("blue", "red")):
        status, body = server.ask_as(tenant, path, **parameters)
        assert status == 200
        assert f"service-{tenant}".encode() in body
        assert f"service-{other}".encode() not in body
    _, nobodys = server.ask_as("green", path, **parameters)
    assert b"service-" not in nobodys


@pytest.mark.parametrize(("path", "parameters"), NAMES_KEY)
def test_tenants_see_their_own_keys_alone(server: TenantServer, path: str, parameters: dict[str, Any]) -> None:
    for tenant, other in (("red", "blue"), ("blue", "red")):
        _, body = server.ask_as(tenant, path, **parameters)
        assert f"key-{tenant}".encode() in body
        assert f"key-{other}".encode() not in body


@pytest.mark.parametrize(("path", "parameters"), [*NAMES_SERVICE, *NAMES_KEY])
def test_several_tenants_are_asked_at_once(server: TenantServer, path: str, parameters: dict[str, Any]) -> None:
    status, body = server.ask_as("red|blue", path, **parameters)
    assert status == 200
    if path == "/api/search":  # the shared trace is one, with one root service
        found = json.loads(body)["traces"]
        assert len(found) == 3
        assert sum(one["spanSet"]["matched"] for one in found) == 8
    else:
        kind = "key" if "tags" in path else "service"
        assert all(f"{kind}-{tenant}".encode() in body for tenant in ("red", "blue"))


def test_metrics_across_tenants_are_over_all_spans(server: TenantServer) -> None:
    """An average of averages would be wrong: 3 spans of 1 to 3 ms, 5 of 1 to 5 ms."""
    for query, expected in (("avg_over_time(duration)", 21e-3 / 8), ("count_over_time()", 8)):
        _, body = server.ask_as("red|blue", "/api/metrics/query", q=f"{{ }} | {query}", **EVER)
        assert json.loads(body)["series"][0]["value"] == pytest.approx(expected)


@pytest.mark.parametrize("port", ["grpc", "http"])
def test_streams_have_tenants(server: TenantServer, port: str) -> None:
    request = pb.SearchTagValuesRequest(tagName="resource.service.name", start=EVER["start"], end=EVER["end"])
    found = {}
    with grpc.insecure_channel(server.addresses[port]) as channel:
        for tenant in ("red", "blue", "blue|red"):
            call = channel.unary_stream(
                "/tempopb.StreamingQuerier/SearchTagValuesV2",
                response_deserializer=pb.SearchTagValuesV2Response.FromString,
            )
            messages = call(request.SerializeToString(), metadata=(("x-scope-orgid", tenant),), timeout=300)
            found[tenant] = {value.value for message in messages for value in message.tagValues}
    both = {"service-red", "service-blue"}
    assert found == {"red": {"service-red"}, "blue": {"service-blue"}, "blue|red": both}


def test_denied_urls_of_the_configuration(running: TenantServer) -> None:
    status, body = running.ask_as("red", "/api/search?q=denied%20by%20us")
    assert status == 400
    assert b"destabilizes our system" in body


def recorded(shared: Path) -> list[Exchange]:
    """Return what was recorded of queries; the paths of operators and of receivers have tests of their own."""
    return [
        one
        for one in exchanges_of(shared, "tenancy")
        if one["method"] == "GET" and one["path"].startswith(("/api/search", "/api/v2", "/api/traces", "/api/metrics"))
    ]


def test_recorded_exchanges_have_the_same_status_and_refusals(running: TenantServer, shared: Path) -> None:
    cases = recorded(shared)
    assert len(cases) > 35
    different = []
    for case in cases:
        status, body = running.ask_as(case["headers"].get("X-Scope-OrgID"), case["path"])
        wanted = case["status"] if "/traces/" not in case["path"] or status != 404 else 404  # another trace is stored
        if status != wanted or (status in {400, 401} and body.decode() != case["response_body"]):
            different.append((case["path"], case["headers"], status, body))
    assert different == []
