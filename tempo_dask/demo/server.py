"""A `tempo-dask serve` of the demo's own: its ports, its data folder, its start and its end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tempo_dask.errors import TempoDaskError

HOST = "127.0.0.1"
READY_WITHIN_S = 120.0
STOPPED_WITHIN_S = 30.0
LOG_LINES_SHOWN = 15
MARKER = ".made-by-tempo-dask-demo"


class DemoFailed(TempoDaskError):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the server listens, each on 127.0.0.1."""

    http: int
    otlp_grpc: int
    otlp_http: int
    grpc: int

    @property
    def http_url(self) -> str:
        """The query API."""
        return f"http://{HOST}:{self.http}"

    @property
    def otlp_url(self) -> str:
        """Takes spans by OTLP over HTTP."""
        return f"http://{HOST}:{self.otlp_http}"


TEMPO_PORTS = Ports(http=3200, otlp_grpc=4317, otlp_http=4318, grpc=9095)


def choose_ports(wanted: Ports = TEMPO_PORTS) -> Ports:
    """Return the wanted ports, with a free one in place of each that is taken."""
    return Ports(
        http=_free_port(wanted.http),
        otlp_grpc=_free_port(wanted.otlp_grpc),
        otlp_http=_free_port(wanted.otlp_http),
        grpc=_free_port(wanted.grpc),
    )


def make_fresh(data_dir: Path) -> None:
    """Make an empty data folder. A former demo's is erased; one that holds anything else is left alone and refused."""
    if data_dir.exists() and not (data_dir / MARKER).exists() and any(data_dir.iterdir()):
        raise DemoFailed(f"{data_dir} holds something that the demo did not make: give another --data-dir")
    shutil.rmtree(data_dir, ignore_errors=True)
    data_dir.mkdir(parents=True)
    (data_dir / MARKER).write_text("The demo makes this folder and erases it when it starts again.\n")


@contextmanager
def serving(ports: Ports, data_dir: Path) -> Iterator[None]:
    """Run a server until the block is left. Raises `DemoFailed`, with the end of its log, where it does not start."""
    log = data_dir / "server.log"
    with log.open("wb") as output:
        # In a process group of its own, so that Ctrl-C reaches the demo alone, which then stops the server in order.
        server = subprocess.Popen(
            _command(ports, data_dir / "store"), stdout=output, stderr=subprocess.STDOUT, process_group=0
        )
    try:
        _wait_until_ready(server, log)
        yield
    finally:
        _stop(server)


def _command(ports: Ports, store: Path) -> list[str]:
    addresses = {
        "--http-address": ports.http,
        "--grpc-address": ports.grpc,
        "--otlp-grpc-address": ports.otlp_grpc,
        "--otlp-http-address": ports.otlp_http,
    }
    program = Path(sys.executable).with_name("tempo-dask")
    listen = [word for option, port in addresses.items() for word in (option, f"{HOST}:{port}")]
    return [str(program), "serve", "--data-dir", str(store), *listen]


def _wait_until_ready(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _is_ready(log):
        if server.poll() is not None:
            raise DemoFailed(f"the server ended with status {server.returncode}; its log ends with\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise DemoFailed(f"the server was not ready within {READY_WITHIN_S:.0f} s; its log ends with\n{_tail(log)}")
        time.sleep(0.1)


def _is_ready(log: Path) -> bool:
    """Return whether the server has said where it listens: another one may answer on a port that it could not get."""
    return any(line.startswith(b"listening ") for line in log.read_bytes().splitlines())


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ask the server to end and wait for it; one that does not, or a second Ctrl-C, has it killed."""
    server.terminate()
    try:
        server.wait(STOPPED_WITHIN_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        server.kill()
        server.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoFailed(f"no free port on {HOST}")
