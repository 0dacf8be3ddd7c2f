"""Python's clients: jaeger-client, and OpenTelemetry's exporters for Jaeger and Zipkin."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import attributes, run_python, spans_of
from tests.serving import ServerProcess

EXPORTERS = {
    "jaeger udp": "jaeger_thrift_compact",
    "jaeger http": "jaeger_thrift_http",
    "zipkin v1": "zipkin",
    "zipkin v2": "zipkin",
}
#: With what the exporter needs without saying so.
JAEGER_GRPC = ("opentelemetry-exporter-jaeger-proto-grpc>=1.21,<2", "protobuf<3.21", "deprecated")


def test_jaeger_client(server: ServerProcess) -> None:
    """It speaks UDP to an agent and nothing else; over HTTP come Jaeger's other clients and exporters."""
    host, _, port = server.addresses["jaeger_thrift_compact"].rpartition(":")
    spans = spans_of(server, run_python("jaeger_client_udp.py", host, port), 2)
    root, child = spans["root"], spans["child"]
    assert root["resource"]["service.name"] == "made by jaeger-client"
    assert root["resource"]["version"] == "7"
    assert root["resource"]["opencensus.exporterversion"].startswith("Jaeger-Python-")
    assert root["kind"] == "SPAN_KIND_SERVER"
    assert attributes(root)["http.status_code"] == "200"
    assert attributes(root)["ratio"] == 0.5
    assert child["parentSpanId"] == root["spanId"]
    assert child["status"] == {"code": "STATUS_CODE_ERROR"}
    assert (child["events"][0]["name"], attributes(child["events"][0])) == ("lost", {"tries": "3"})


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_opentelemetry_exporters(server: ServerProcess, exporter: str) -> None:
    trace_id = run_python("otel_python.py", exporter, server.addresses[EXPORTERS[exporter]])
    require_what_was_made(exporter, spans_of(server, trace_id, 2))


@pytest.mark.slow
def test_jaeger_exporter_over_grpc(server: ServerProcess, tmp_path: Path) -> None:
    """It loads with an old protobuf alone, so it gets an environment of its own."""
    venv.create(tmp_path, with_pip=True)
    python = str(tmp_path / "bin" / "python")
    installed = subprocess.run([python, "-m", "pip", "install", "-q", *JAEGER_GRPC], capture_output=True, check=False)
    if installed.returncode:
        pytest.skip("the exporter cannot be installed here")
    trace_id = run_python("otel_python.py", "jaeger grpc", server.addresses["jaeger_grpc"], python=python)
    require_what_was_made("jaeger grpc", spans_of(server, trace_id, 2))


def require_what_was_made(exporter: str, spans: dict[str, dict[str, Any]]) -> None:
    root, child = spans["root"], spans["child"]
    assert root["resource"]["service.name"] == f"made by {exporter}"
    assert child["parentSpanId"] == root["spanId"]
    assert attributes(root)["http.route"] == "/buy"
    event = root["events"][0]
    assert "cart" in event.get("name", attributes(event).get("message"))  # where Jaeger's exporter puts the name
    assert int(root["endTimeUnixNano"]) > int(root["startTimeUnixNano"]) > 10**18
    if exporter != "zipkin v1":  # which sends no kind, and the status as a word that version 1 does not know
        assert (root["kind"], child["kind"]) == ("SPAN_KIND_SERVER", "SPAN_KIND_CLIENT")
        assert child["status"]["code"] == "STATUS_CODE_ERROR"
