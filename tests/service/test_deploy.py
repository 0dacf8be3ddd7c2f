"""The example configurations: each can be used as it stands, and the server that it makes answers.

That of TLS is the one that `test_tls.py` asks.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tempo_dask.config import file as config
from tempo_dask.overrides.tenants import TenantSettings
from tests.cluster.processes import DaskProcesses, until
from tests.ingest.numbered import START_NS, body
from tests.service.examples import DEPLOY, ExampleServer
from tests.serving import ServerProcess
from tests.storage.store_servers import S3_BUCKET, s3_server

EXAMPLES = sorted(path.name for path in DEPLOY.glob("*.yaml") if path.name != "tenants.yaml")
WINDOW = {"start": START_NS // 10**9 - 1, "end": START_NS // 10**9 + 1}


def read(name: str) -> config.Config:
    return config.load(DEPLOY / name, expand_env=True)


def count(server: ServerProcess) -> int:
    """Return how many spans a metrics query counts."""
    answer = server.ask("/api/metrics/query", q="{} | count_over_time()", **WINDOW)
    assert answer.status == 200, answer.text
    return sum(int(series.get("value", 0)) for series in answer.json["series"])


def test_there_is_an_example_of_each_kind() -> None:
    assert EXAMPLES == ["cluster.yaml", "local.yaml", "multi-tenant.yaml", "s3.yaml", "tls.yaml"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_key_acts_and_nothing_is_warned_of(name: str) -> None:
    assert (read(name).without_effect, read(name).warnings) == ((), ())


def test_examples_say_what_they_are_for() -> None:
    assert read("s3.yaml").storage.trace.backend == "s3"
    assert read("cluster.yaml").cluster.address == "tcp://scheduler:8786"
    assert read("tls.yaml").server.http_tls_config.client_auth_type == "RequireAndVerifyClientCert"
    assert read("local.yaml").storage.trace.backend == "local"


def test_the_file_of_tenants_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DEPLOY.parent)
    settings = TenantSettings(read("multi-tenant.yaml").overrides)
    settings.load()
    assert settings.ingest_limits("shop").rate_limit_bytes == 50_000_000
    assert settings.ingest_limits("bank").max_traces_per_user == 1000
    assert settings.ingest_limits("anybody").rate_limit_bytes == 15_000_000


def test_the_command_line_verifies_an_example() -> None:
    command = [sys.executable, "-m", "tempo_dask.cli", f"-config.file={DEPLOY / 'local.yaml'}", "-config.verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_local(tmp_path: Path) -> None:
    with ExampleServer("local.yaml", tmp_path) as server:
        assert {"http", "grpc", "otlp_grpc", "otlp_http", "jaeger_thrift_http", "zipkin"} <= server.addresses.keys()
        server.load([body(range(10))])
        server.flush()
        assert count(server) == 10
    assert (tmp_path / "data" / "blocks" / "single-tenant").is_dir()


@pytest.mark.slow
def test_multi_tenant(tmp_path: Path) -> None:
    with ExampleServer("multi-tenant.yaml", tmp_path) as server:
        assert server.ask("/api/search", q="{}").status == 401
        assert server.push(body([1])).status == 503
        headers = {"X-Scope-OrgID": "shop", "Content-Type": "application/x-protobuf"}
        to = f"http://{server.addresses['otlp_http']}/v1/traces"
        with urlopen(Request(to, body([1]), headers, method="POST"), timeout=60) as answer:
            assert answer.status == 200
        with urlopen(Request(f"{server.url}/api/traces/1", headers=headers), timeout=60) as answer:
            assert answer.status == 200
        with pytest.raises(HTTPError) as unset:
            urlopen(Request(f"{server.url}/api/overrides", headers=headers), timeout=60)
        assert unset.value.code == 404
        unset.value.close()
        assert "rate_limit_bytes: 50000000" in server.ask("/status/overrides/shop").text


@pytest.mark.slow
def test_s3(tmp_path: Path) -> None:
    """Stopped, its spans are in the bucket: one that has nothing of its own finds them."""
    with s3_server() as address:
        keys = {"S3_BUCKET": S3_BUCKET, "S3_ENDPOINT": address, "S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "s"}
        for number, spans in enumerate((10, 10)):
            folder = tmp_path / str(number)
            folder.mkdir()
            with ExampleServer("s3.yaml", folder, S3_INSECURE="true", **keys) as server:
                if number == 0:
                    server.load([body(range(10))])
                assert count(server) == spans
                told = 'tempodb_backend_request_duration_seconds_count{operation="LIST",status_code="200"}'
                assert told in server.ask("/metrics").text


@pytest.mark.slow
def test_cluster(tmp_path: Path) -> None:
    """The worker that scans blocks has nothing but the code; it takes the way to the bucket from the server."""
    with s3_server() as address, DaskProcesses(tmp_path) as dask:
        dask.start_worker("--preload", "tempo_dask.worker")
        keys = {"S3_BUCKET": S3_BUCKET, "S3_ENDPOINT": address, "S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "s"}
        with ExampleServer("cluster.yaml", tmp_path, SCHEDULER=dask.address, **keys) as server:
            server.load([body(range(10))])
            server.flush()
            until(lambda: server.ask("/ingester/ring").text.count("ACTIVE") > 1, "the worker joins")
            assert count(server) == 10
