"""A server with every receiver, and programs that send to it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import ServerProcess

HERE = Path(__file__).parent
EVERY_RECEIVER = """
distributor:
  receivers:
    otlp:
      protocols:
        grpc:
        http:
    jaeger:
      protocols:
        grpc: {endpoint: "127.0.0.1:0"}
        thrift_http: {endpoint: "127.0.0.1:0"}
        thrift_compact: {endpoint: "127.0.0.1:0"}
        thrift_binary: {endpoint: "127.0.0.1:0"}
    zipkin: {endpoint: "127.0.0.1:0"}
storage: {trace: {blocklist_poll: 1s}}
"""
PROGRAM_S = 60
ARRIVAL_S = 60


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("clients")
    (folder / "config.yaml").write_text(EVERY_RECEIVER)
    with ServerProcess(folder / "data", "--config", str(folder / "config.yaml")) as running:
        yield running


def run_python(program: str, *arguments: str, python: str = sys.executable) -> str:
    """Run a program of `programs/` and return the trace id that it says."""
    return said([python, str(HERE / "programs" / program), *arguments])


def said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def spans_of(server: ServerProcess, trace_id: str, count: int) -> dict[str, dict[str, Any]]:
    """Return a trace's spans by name, each with its resource's attributes, once so many are there."""
    deadline = time.monotonic() + ARRIVAL_S
    while True:
        trace = server.ask(f"/api/v2/traces/{trace_id}").json["trace"]
        spans = {
            span["name"]: span | {"resource": attributes(resource_spans["resource"])}
            for resource_spans in trace.get("resourceSpans", [])
            for scope_spans in resource_spans["scopeSpans"]
            for span in scope_spans["spans"]
        }
        if len(spans) >= count:
            return spans
        assert time.monotonic() < deadline, f"{trace_id} has {list(spans)} only"
        time.sleep(0.05)


def attributes(owner: dict[str, Any]) -> dict[str, Any]:
    """Return attributes without their types."""
    return {pair.get("key", ""): next(iter(pair["value"].values())) for pair in owner.get("attributes", [])}
