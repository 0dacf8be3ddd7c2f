"""The receivers that a configuration asks for, from start to end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tempo_dask.config_section import split_address
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers.otlp_grpc import OtlpGrpcReceiver
from tempo_dask.ingest.receivers.otlp_http import otlp_http
from tempo_dask.ingest.receivers_config import Otlp, Receivers

log = logging.getLogger(__name__)


class Receiver(Protocol):
    """A server that takes spans."""

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port. Raises OSError where the address cannot be had."""
        ...

    async def stop_receiving(self) -> None:
        """Take no more spans; requests that run may finish."""
        ...

    async def stop(self) -> None:
        """Close what is open."""
        ...


@dataclass(frozen=True, slots=True)
class Placed:
    """A receiver, the name it is announced by, and where it should listen."""

    name: str
    endpoint: str
    receiver: Receiver
    gives_way: bool = False  # where its port is taken, the server starts without it


def receivers_of(config: Receivers, push: Push) -> list[Placed]:
    """Return the receivers that a configuration asks for."""
    return [*_otlp(config.otlp, push)]


def _otlp(config: Otlp, push: Push) -> Iterator[Placed]:
    if http := config.protocols.http:
        receiver = otlp_http(push, http.max_request_body_size, http.traces_url_path)
        yield Placed("otlp_http", http.endpoint, receiver)
    if grpc := config.protocols.grpc:
        yield Placed("otlp_grpc", grpc.endpoint, OtlpGrpcReceiver(push, grpc.max_recv_msg_size_mib << 20))


async def start(placed: Placed) -> str | None:
    """Start a receiver and return HOST:PORT with the port that it took, or None where it gave way. Raises OSError."""
    host, port = split_address(placed.endpoint)
    try:
        return f"{bracketed(host)}:{await placed.receiver.start(host, port)}"
    except OSError as error:
        if placed.gives_way:
            log.warning("%s is not served, for its port is taken: %s: %s", placed.name, placed.endpoint, error)
            return None
        msg = f"cannot listen on {bracketed(host)}:{port}: {error.strerror or error}"
        raise OSError(msg) from error


def bracketed(host: str) -> str:
    """Return a host as it stands before a port."""
    return f"[{host}]" if ":" in host else host
