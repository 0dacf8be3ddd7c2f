"""A server's life: start, readiness, flush, shutdown, end, and a start with what the last one left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest

from tests.ingest.numbered import START_NS, body
from tests.serving import ServerProcess

WINDOW = {"start": START_NS // 10**9 - 10, "end": START_NS // 10**9 + 3600}
HEALTH = "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


def count(server: ServerProcess) -> int:
    answer = server.ask("/api/search", q="{}", limit=1000, spss=100, **WINDOW)
    assert answer.status == 200, answer.text
    return sum(found["matched"] for trace in answer.json["traces"] for found in trace["spanSets"])


def health(server: ServerProcess, service: bytes = b"") -> bytes:
    request = b"\x0a" + bytes([len(service)]) + service if service else b""
    with grpc.insecure_channel(server.addresses["grpc"]) as channel:
        answer: bytes = channel.unary_unary(HEALTH)(request, timeout=300)
        return answer


@pytest.mark.slow
def test_spans_are_there_in_every_stage_of_their_life(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    with server:
        assert health(server) == SERVING
        with pytest.raises(grpc.RpcError) as error:
            health(server, b"no.such.Service")
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
        assert server.push(body(range(10))).status == 200
        assert count(server) == 10
        server.flush()
        assert count(server) == 10
        assert server.push(body(range(10, 15))).status == 200
        assert count(server) == 15
        assert server.ask("/flush", "POST", tenant="nobody").status == 404
        assert server.ask("/flush", "POST", tenant="single-tenant").status == 204
        server.flush()
        assert server.push(body(range(15, 18))).status == 200
        assert server.stop() == 0
        server.start()
        assert count(server) == 18
        metrics = server.ask("/metrics").text
    assert 'tempodb_blocklist_length{tenant="single-tenant"} 2.0' in metrics
    assert 'tempo_ingester_live_traces{tenant="single-tenant"} 1.0' in metrics
    assert "tempo_dask_kernel_compilations_total 0.0" in metrics


def test_shutdown_makes_blocks_and_takes_no_more(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    with server:
        assert server.push(body(range(10))).status == 200
        for _ in range(2):
            answer = server.ask("/shutdown", "POST")
            assert (answer.status, answer.text) == (200, "shutdown job acknowledged")
        ready = server.ask("/ready")
        assert ready.status == 503
        assert ready.text.startswith("Some services are not Running:\n")
        assert health(server) == NOT_SERVING
        assert server.push(body([11])).status == 503
        assert count(server) == 10
        assert "tempo_ingester_blocks_flushed_total 1.0" in server.ask("/metrics").text


@pytest.mark.slow
def test_flush_all_on_shutdown(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("ingester: {flush_all_on_shutdown: true}")
    server = ServerProcess(tmp_path / "data", "--config", str(config))
    with server:
        assert server.push(body(range(10))).status == 200
        assert server.stop() == 0
        server.start()
        assert count(server) == 10
        assert 'tempodb_blocklist_length{tenant="single-tenant"} 1.0' in server.ask("/metrics").text


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_it_cleanly_once_it_listens(tmp_path: Path, number: signal.Signals) -> None:
    ports = [
        part for name in ("http", "grpc", "otlp-grpc", "otlp-http") for part in (f"--{name}-address", "127.0.0.1:0")
    ]
    command = [sys.executable, "-m", "tempo_dask.cli", "serve", "--data-dir", str(tmp_path / "data"), *ports]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"listening ")
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


@pytest.mark.slow
def test_told_to_stop_it_is_not_ready_for_a_while(tmp_path: Path) -> None:
    """So a load balancer sends nobody there any more; those who are there are still answered."""
    (tmp_path / "tempo.yaml").write_text("shutdown_delay: 10m")  # a second signal ends it at once
    with ServerProcess(tmp_path / "data", "--config", str(tmp_path / "tempo.yaml")) as server:
        os.kill(server.pid, signal.SIGTERM)
        while (ready := server.ask("/ready")).status == 200:
            time.sleep(0.05)
        assert (ready.status, ready.text) == (503, "Application is stopping\n")
        assert server.push(body(range(3))).status == 200
        assert server.ask("/api/search", q="{}").status == 200
