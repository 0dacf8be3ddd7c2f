"""The command line says what is wrong and ends with a status that a script can use."""

from __future__ import annotations

import gc
import socket
import warnings
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tempo_dask.cli.main import app
from tests.serving import ServerProcess


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_version() -> None:
    result = run("version")
    assert result.exit_code == 0
    assert result.output.startswith("tempo-dask 0.")


@pytest.mark.parametrize("command", [[], ["serve"], ["load"], ["traceql"], ["traceql", "check"]])
def test_help_teaches(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output
    if command:
        assert "xample" in result.output or command == ["traceql"]


def test_the_options_that_other_tools_rely_on() -> None:
    output = run("serve", "--help").output
    for option in ("config", "data-dir", "http-address", "grpc-address", "otlp-grpc-address", "otlp-http-address"):
        assert f"--{option} " in output
    assert "--scheduler" in output


def test_traceql() -> None:
    assert run("traceql", "check", "{ .a = 1 }").output == "ok\n"
    bad = run("traceql", "check", "{ .a = }")
    assert bad.exit_code == 1
    assert "line 1" in bad.output
    assert run("traceql", "format", '{.a="b"}').output == '{ .a = "b" }\n'
    assert "SpansetFilter" in run("traceql", "explain", "{ .a = 1 }").output
    assert run("traceql", "format", "{").exit_code == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--http-address", "nowhere"], "expected HOST:PORT"),
        (["--scheduler", "ftp://x"], "expected a scheduler of local or tcp://HOST:PORT"),
        (["--config", "/nonexistent.yaml"], "failed to read configFile /nonexistent.yaml"),
        (["--bogus"], "No such option"),
    ],
)
def test_a_server_that_cannot_start_says_why(tmp_path: Path, options: list[str], complaint: str) -> None:
    result = run("serve", "--data-dir", str(tmp_path / "data"), *options)
    assert result.exit_code != 0
    assert complaint in result.output


def test_a_taken_port(tmp_path: Path) -> None:
    names = ("http", "grpc", "otlp-grpc", "otlp-http")
    free = [part for name in names for part in (f"--{name}-address", "127.0.0.1:0")]
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Tornado leaves open what it could not bind
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for name in names:
            result = run("serve", "--data-dir", str(tmp_path / name), *free, f"--{name}-address", address)
            assert result.exit_code == 1
            assert f"error: cannot listen on {address}: " in result.output
        del result  # it holds the error, which holds the sockets
        gc.collect()


@pytest.mark.slow
def test_one_server_a_data_directory(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as server:
        result = run("serve", "--data-dir", str(server.data_dir), "--http-address", "127.0.0.1:0")
        assert result.exit_code == 1
        assert f"another process (id {server.pid}) works in" in result.output
        assert server.stop() == 0
        server.start()
