"""What is off unless configured, as recorded: overrides that users set, and tools for language models.

And what operators watch: metrics for alerts, and traces of the service's own.
"""

from __future__ import annotations

import fnmatch
import json
import re
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.demo.fake_receiver import FakeReceiver, receiving
from tests.ingest.numbered import body
from tests.serving import ServerProcess

CONFIG = """
overrides:
  defaults:
    metrics_generator: {{processors: [local-blocks, span-metrics, service-graphs, host-info]}}
  per_tenant_override_config: {folder}/tenants.yaml
  user_configurable_overrides: {{enabled: true, poll_interval: 1s}}
query_frontend: {{mcp_server: {{enabled: true}}}}
storage: {{trace: {{blocklist_poll: 1s}}}}
compactor: {{compaction: {{compaction_cycle: 1s}}}}
tracing: {{otlp_endpoint: "{endpoint}"}}
"""
TENANTS = "overrides: {shop: {ingestion: {rate_limit_bytes: 123}}}"
#: What the alerts of Tempo's mixin are computed from, as far as the part that it is about is here.
ALERTS = (
    'tempo_ring_members{name="compactor",state="Unhealthy"}',
    'tempo_ring_members{name="distributor",state="Unhealthy"}',
    'tempo_ring_members{name="ingester",state="Unhealthy"}',
    "tempodb_compaction_errors_total",
    "tempo_ingester_failed_flushes_total",
    "tempo_ingester_flush_failed_retries_total",
    'tempodb_blocklist_poll_errors_total{tenant="single-tenant"}',
    'tempodb_blocklist_tenant_index_errors_total{tenant="single-tenant"}',
    'tempodb_blocklist_tenant_index_builder{tenant="single-tenant"}',
    'tempodb_blocklist_tenant_index_age_seconds{tenant="single-tenant"}',
    'tempodb_blocklist_length{tenant="single-tenant"}',
    'tempo_runtime_config_last_reload_successful{config="overrides"}',
    "tempo_overrides_user_configurable_overrides_reload_failed_total",
    'tempo_ingester_bytes_received_total{data_type="trace",tenant="single-tenant"}',
    'tempodb_compaction_outstanding_blocks{tenant="single-tenant"}',
)
#: What dashboards show of requests, queries, spans and blocks.
DASHBOARDS = (
    'tempo_request_duration_seconds_count{method="GET",route="api_search",status_code="200",ws="false"}',
    'tempo_request_duration_seconds_count{method="gRPC",route="/tempopb.Pusher/PushBytesV2",status_code="200",ws="false"}',
    'tempo_response_message_bytes_count{method="GET",route="api_search"}',
    'tempo_inflight_requests{method="GET",route="metrics"}',
    'tempo_query_frontend_queries_total{op="search",result="completed",tenant="single-tenant"}',
    'tempo_query_frontend_queries_within_slo_total{op="search",result="completed",tenant="single-tenant"}',
    'tempo_query_frontend_bytes_inspected_total{op="search",tenant="single-tenant"}',
    "tempo_query_frontend_queue_duration_seconds_count",
    "tempo_query_frontend_connected_clients",
    "tempo_query_frontend_retries_count",
    "tempo_query_frontend_actual_batch_size_count",
    "tempo_querier_worker_request_executed_total",
    "tempo_querier_ingester_clients",
    "tempodb_work_queue_length",
    "tempo_distributor_traces_per_batch_count",
    "tempo_spans_distance_in_past_seconds_count",
    "tempo_spans_distance_in_future_seconds_count",
    'tempo_warnings_total{reason="rootless_trace_flushed_to_wal",tenant="single-tenant"}',
    'tempo_warnings_total{reason="disconnected_trace_flushed_to_wal",tenant="single-tenant"}',
    'tempo_limits_defaults{limit_name="max_bytes_per_trace"}',
    'tempo_limits_overrides{limit_name="ingestion_rate_limit_bytes",user="shop"}',
    'tempo_distributor_spans_received_total{tenant="single-tenant"}',
    'tempo_receiver_accepted_spans{receiver="otlp/otlp_receiver",transport="http"}',
    'tempo_discarded_spans_total{reason="rate_limited",tenant="single-tenant"}',
    'tempo_ingester_traces_created_total{tenant="single-tenant"}',
    'tempo_ingester_live_traces{tenant="single-tenant"}',
    "tempo_ingester_blocks_flushed_total",
    "tempo_ingester_blocks_cleared_total",
    "tempo_ingester_flush_queue_length",
    'tempodb_backend_objects_total{status="live",tenant="single-tenant"}',
    'tempodb_backend_bytes_total{status="live",tenant="single-tenant"}',
    "tempodb_blocklist_poll_duration_seconds_count",
    "tempodb_retention_duration_seconds_count",
)
#: What decoders say of broken JSON is their own affair; nothing else is.
DECODERS = ("found unknown field", "expect", "EOF", "unmarshalerDecoder")


@pytest.fixture(scope="module")
def receiver() -> Iterator[FakeReceiver]:
    with receiving() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, receiver: FakeReceiver) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("overrides")
    (folder / "tempo.yaml").write_text(CONFIG.format(folder=folder, endpoint=receiver.url))
    (folder / "tenants.yaml").write_text(TENANTS)
    with ServerProcess(folder / "data", "--config", str(folder / "tempo.yaml")) as running:
        yield running


def test_exchanges_are_answered_as_recorded(shared: Path, server: ServerProcess) -> None:
    lines = (shared / "conformance" / "http-exchanges.jsonl").read_text().splitlines()
    exchanges = [found for line in lines if (found := json.loads(line))["area"] == "overrides"]
    assert len(exchanges) > 80
    differing = [why for exchange in exchanges if (why := difference(server.url, exchange))]
    assert differing == []


def test_language_models_are_answered_as_recorded(shared: Path, server: ServerProcess) -> None:
    """Texts of documents and descriptions of tools are our own; an empty Tempo found nothing, and so do we."""
    lines = (shared / "conformance" / "http-exchanges.jsonl").read_text().splitlines()
    exchanges = [found for line in lines if (found := json.loads(line))["area"] == "mcp"]
    assert len(exchanges) > 30
    for exchange in exchanges:
        found = tool_answer(server.url, exchange)
        if exchange.get("response_cut"):  # too long to be kept whole
            assert (found[0], list(found[1])) == (200, ["jsonrpc", "id", "result"]), exchange["body"]
        else:
            assert found == shape(exchange["status"], exchange.get("response_body") or ""), exchange["body"]
    assert 'tempo_query_frontend_mcp_calls_total{tool="traceql-search"}' in server.ask("/metrics").text


def tool_answer(url: str, exchange: dict[str, Any]) -> Any:
    """Return what comes back for a recorded message."""
    body = None if exchange.get("body") is None else exchange["body"].encode()
    path = exchange["path"].removeprefix("/tempo")
    request = Request(url + path, body, exchange.get("headers") or {}, method=exchange["method"])
    try:
        with urlopen(request, timeout=300) as answer:
            return shape(answer.status, answer.read().decode())
    except HTTPError as error:
        return shape(error.code, error.read().decode())


def shape(status: int, text: str) -> Any:
    """Return what of an answer is neither prose nor a cost; metrics, which that Tempo could not answer, not at all."""
    if not text.startswith("{"):
        return status, text
    message = json.loads(text)
    result = message.get("result", {})
    if "empty ring" in text or "metrics-" in result.get("_meta", {}).get("type", ""):
        result.clear()
    elif "content" in result and not result.get("isError"):
        result["content"] = [part["type"] for part in result["content"]]
    for listed in (result.get("tools", []), result.get("resources", []), result.get("contents", [])):
        listed[:] = sorted(str(one.get("uri") or one.get("name")) for one in listed)
    return status, message


def merged_view(text: str) -> str:
    """Return a merged view, processors in order, without what was set just now: that Tempo had not looked yet."""
    found = json.loads(text)
    found["metrics_generator"]["processors"].sort()
    del found["metrics_generator"]["collection_interval"], found["forwarders"]
    return json.dumps(found)


def difference(url: str, exchange: dict[str, Any]) -> str | None:
    """Return how an answer differs from the recorded one."""
    body = None if exchange.get("body") is None else exchange["body"].encode()
    request = Request(url + exchange["path"], body, exchange.get("headers") or {}, method=exchange["method"])
    try:
        with urlopen(request, timeout=300) as answer:
            status, text, etag = answer.status, answer.read().decode(), answer.headers.get("ETag")
    except HTTPError as error:
        status, text, etag = error.code, error.read().decode(), error.headers.get("ETag")
    told = f"{exchange['method']} {exchange['path']} {exchange.get('body')}: {status} {text!r}"
    if status != exchange["status"] or etag != (exchange.get("response_headers") or {}).get("etag"):
        return f"{told} {etag}, recorded {exchange['status']}"
    wanted = exchange.get("response_body") or ""
    if any(part in wanted for part in DECODERS):
        return None
    if "scope=merged" in exchange["path"] and status == HTTPStatus.OK:
        text, wanted = merged_view(text), merged_view(wanted)
    same = json.loads(text) == json.loads(wanted) if wanted.startswith("{") else text == wanted
    return None if same else f"{told}, recorded {wanted!r}"


def test_what_users_set_is_shown(server: ServerProcess) -> None:
    limits = b'{"metrics_generator": {"processors": ["span-metrics"], "trace_id_label_name": "mine"}}'
    request = Request(f"{server.url}/api/overrides", limits, {"If-Match": "0"}, method="POST")
    with urlopen(request, timeout=300) as answer:
        assert answer.status == 200
    assert "trace_id_label_name: mine" in server.ask("/status/runtime_config").text.partition("user_configurable")[2]
    assert "trace_id_label_name: mine" in server.ask("/status/overrides/single-tenant").text
    table = server.ask("/status/overrides").text
    assert [name in table for name in ("shop", "single-tenant", "anybody")] == [True, True, False]


def test_alerts_and_dashboards_have_what_they_ask_for(server: ServerProcess) -> None:
    server.load([body(range(10))])
    server.flush()
    assert server.ask("/api/search", q="{}").status == 200
    missing: set[str] = set()
    for _ in range(600):
        lines = server.ask("/metrics").text.splitlines()
        samples = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}
        if not (missing := {*ALERTS, *DASHBOARDS} - samples.keys()):
            break
        time.sleep(0.1)
    assert missing == set()
    assert samples[ALERTS[0]] == 0
    assert samples['tempo_runtime_config_last_reload_successful{config="overrides"}'] == 1
    assert samples['tempo_limits_overrides{limit_name="ingestion_rate_limit_bytes",user="shop"}'] == 123
    assert samples['tempodb_backend_objects_total{status="live",tenant="single-tenant"}'] > 0


def test_every_name_of_tempos_is_there_or_left_out_for_a_reason(shared: Path, server: ServerProcess) -> None:
    facts = (shared / "spec" / "tempo-facts.md").read_text()
    named = set(names_in(facts.partition("# 8. Observability")[2].partition("# 9. Feature table")[0]))
    assert len(named) > 120
    there = set(re.findall(r"^# HELP (\w+)", server.ask("/metrics").text, re.MULTILINE))
    parity = (Path(__file__).parents[2] / "docs" / "parity.md").read_text().partition("## Names of metrics")[2]
    left_out = re.findall(r"^\| `(\S+)` \|", parity, re.MULTILINE)
    for pattern in left_out:
        assert fnmatch.filter(named, pattern)
        assert not fnmatch.filter(there, pattern)
    assert {name for name in named - there if not any(fnmatch.fnmatch(name, pattern) for pattern in left_out)} == set()


def names_in(text: str) -> Iterator[str]:
    """Yield names of metrics, written as `a_name{label}`, or several as `a_{name,name}_total{label}`."""
    for prefix, choice, suffix in re.findall(r"`(tempo(?:db)?_[a-z_]*)(?:\{([^}]*)\}([a-z_]*))?[^`]*`", text):
        yield from (prefix + name.strip() + suffix for name in choice.split(",")) if prefix[-1] == "_" else (prefix,)


def test_queries_and_pushes_are_spans_of_our_own(server: ServerProcess, receiver: FakeReceiver) -> None:
    server.load([body([1])])
    assert server.ask("/api/search/tags").status == 200
    wanted, found = {"push", "api_search_tags"}, set[str]()
    for _ in range(600):
        requests = [ExportTraceServiceRequest.FromString(body) for _, body in list(receiver.taken)]
        groups = [group for request in requests for group in request.resource_spans]
        found = {span.name for group in groups for scope in group.scope_spans for span in scope.spans}
        if wanted <= found:
            break
        time.sleep(0.1)
    assert wanted <= found
