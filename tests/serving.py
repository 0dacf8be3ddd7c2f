"""A real server for tests: a child process on free ports, asked over the network."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

START_S = 180.0
STOP_S = 180.0
ANSWER_S = 300.0
EVERY_PORT = ("--http-address", "--grpc-address", "--otlp-grpc-address", "--otlp-http-address")
COMPILATIONS = "tempo_dask_kernel_compilations_total"


def free_port() -> int:
    """Return a port that nobody listens on now, for programs that cannot take any port and say which."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class ServerFailed(AssertionError):
    """The server did not start, or died."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    body: bytes
    content_type: str

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ServerProcess:
    """`tempo-dask serve` with its data in `data_dir`. Use as a context manager, or `start` and `stop` it by hand.

    `addresses` maps `http`, `grpc`, `otlp_grpc` and `otlp_http` to HOST:PORT. What the server logs stands in
    `<data_dir>.log`. `options` stand at the end of its command line, `environment` is beside that of the tests.
    """

    def __init__(self, data_dir: Path, *options: str, **environment: str) -> None:
        self.data_dir = data_dir
        self.addresses: dict[str, str] = {}
        self._options = options
        self._environment = environment
        self._log = data_dir.with_name(data_dir.name + ".log")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Id of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def command(self) -> list[str]:
        """What starts the process."""
        ports = [text for option in EVERY_PORT for text in (option, "127.0.0.1:0")]
        serve = [sys.executable, "-m", "tempo_dask.cli", "serve"]
        return [*serve, "--data-dir", str(self.data_dir), *ports, *self._options]

    def start(self) -> None:
        """Start the process and wait until it listens and is ready."""
        environment = {**os.environ, **self._environment}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("listening "):
            self.stop()
            raise ServerFailed(f"said {line!r} instead of where it listens:\n{self._log.read_text()[-4000:]}")
        self.addresses = dict(part.split("=", 1) for part in line.split()[1:])
        self._wait_until_ready()

    def stop(self) -> int:
        """End the process as an operator does (SIGTERM) and return its exit status."""
        process = self._process
        assert process is not None
        process.terminate()
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            self._close()

    def kill(self) -> None:
        """End the process as a power cut does (SIGKILL)."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._close()

    @property
    def url(self) -> str:
        """Where the query API is."""
        return f"http://{self.addresses['http']}"

    def ask(self, path: str, method: str = "GET", accept: str = "", **parameters: object) -> Answer:
        """Ask the query API; parameters go into the query string."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return _fetch(Request(f"{self.url}{path}{query}", method=method, headers={"Accept": accept} if accept else {}))

    def push(self, body: bytes, content_type: str = "application/x-protobuf") -> Answer:
        """Send one export request by OTLP over HTTP."""
        headers = {"Content-Type": content_type}
        return _fetch(Request(f"http://{self.addresses['otlp_http']}/v1/traces", body, headers, method="POST"))

    def load(self, bodies: Iterable[bytes]) -> None:
        """Send export requests, all of which must be acknowledged."""
        for body in bodies:
            answer = self.push(body)
            assert answer.status == 200, answer

    def flush(self) -> None:
        """Make blocks of all that was acknowledged."""
        answer = self.ask("/flush", "POST")
        assert answer.status == 204, answer

    def metric(self, name: str) -> float:
        """Return a metric without labels."""
        lines = self.ask("/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while (answer := self.ask("/ready")).status != 200:
            if time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(f"not ready after {START_S} s: {answer.text}")
            time.sleep(0.05)

    def _close(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.stdout.close()


def _fetch(request: Request) -> Answer:
    try:
        with urlopen(request, timeout=ANSWER_S) as response:
            return Answer(response.status, response.read(), response.headers.get("Content-Type", ""))
    except HTTPError as error:
        with error:
            return Answer(error.code, error.read(), error.headers.get("Content-Type", ""))
