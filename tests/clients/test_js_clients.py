"""JavaScript's clients: OpenTelemetry JS and zipkin-js, fetched anew."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import HERE, attributes, said, spans_of
from tests.serving import ServerProcess

INSTALL_S = 300
EXPORTERS = {"otlp grpc": "otlp_grpc", "otlp json": "otlp_http", "otlp proto": "otlp_http", "zipkin": "zipkin"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs with what they need, or a skip where npm cannot have it."""
    if (npm := shutil.which("npm")) is None:
        pytest.skip("npm is not here")
    folder = tmp_path_factory.mktemp("js")
    shutil.copytree(HERE / "js", folder, dirs_exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode:
        pytest.skip(f"npm cannot install: {done.stderr[-300:]}")
    return folder


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_opentelemetry_js(server: ServerProcess, programs: Path, exporter: str) -> None:
    address = server.addresses[EXPORTERS[exporter]].replace("127.0.0.1", "localhost")
    spans = spans_of(server, said(["node", str(programs / "otel.js"), exporter, address]), 2)
    root, child = spans["root"], spans["child"]
    assert (root["kind"], child["kind"]) == ("SPAN_KIND_SERVER", "SPAN_KIND_CLIENT")
    assert child["parentSpanId"] == root["spanId"]
    assert attributes(root)["http.route"] == "/buy"
    assert child["status"]["code"] == "STATUS_CODE_ERROR"
    assert root["events"][0]["name"].startswith("cart")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_zipkin_js(server: ServerProcess, programs: Path, version: str) -> None:
    address = server.addresses["zipkin"]
    spans = spans_of(server, said(["node", str(programs / "zipkin.js"), version, address]), 2)
    root, child = spans["root"], spans["child"]
    assert root["resource"]["service.name"] == "made by zipkin-js"
    assert (root["kind"], child["kind"]) == ("SPAN_KIND_SERVER", "SPAN_KIND_CLIENT")
    assert child["parentSpanId"] == root["spanId"]
    assert child["status"]["code"] == "STATUS_CODE_ERROR"
    assert attributes(root)["http.route"] == "/buy"
