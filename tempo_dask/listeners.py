"""Everything that listens: the HTTP API, gRPC, and the receivers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from tempo_dask.api.contracts import Api
from tempo_dask.api.grpc.health import Health
from tempo_dask.api.http.app import make_app, make_server
from tempo_dask.config import Config, split_address
from tempo_dask.grpc_server import GrpcServer
from tempo_dask.ingest.receivers.otlp_grpc import OtlpGrpcReceiver, Push
from tempo_dask.ingest.receivers.otlp_http import OtlpHttpReceiver

#: How long running requests may take to finish when the server stops.
GRACE_S = 5.0


@dataclass(slots=True)
class Addresses:
    """Where each server listens, HOST:PORT with the port that was taken; None where it does not."""

    http: str | None = None
    grpc: str | None = None
    otlp_grpc: str | None = None
    otlp_http: str | None = None

    def __str__(self) -> str:
        return " ".join(f"{f.name}={value}" for f in fields(self) if (value := getattr(self, f.name)) is not None)


class Listeners:
    """The servers of a process, made for one event loop."""

    def __init__(self, config: Config, api: Api, push: Push) -> None:
        self._config = config
        self._http: HTTPServer = make_server(make_app(api))
        health = Health(lambda: api.operations.not_ready() is None)
        self._grpc = GrpcServer(
            [health.handler()],
            max_received_bytes=config.server.grpc_server_max_recv_msg_size,
            max_sent_bytes=config.server.grpc_server_max_send_msg_size,
        )
        protocols = config.distributor.receivers.otlp.protocols
        self._otlp_grpc = protocols.grpc and OtlpGrpcReceiver(
            push, tenant=api.tenant, max_message_bytes=protocols.grpc.max_recv_msg_size_mib << 20
        )
        self._otlp_http = protocols.http and OtlpHttpReceiver(
            push,
            tenant=api.tenant,
            max_body_bytes=protocols.http.max_request_body_size,
            path=protocols.http.traces_url_path,
        )

    async def start(self) -> Addresses:
        """Listen everywhere. Raises OSError, which names the address that cannot be had."""
        server = self._config.server
        protocols = self._config.distributor.receivers.otlp.protocols
        addresses = Addresses()
        addresses.http = await _listen(self._start_http, server.http_listen_address, server.http_listen_port)
        if self._otlp_http and protocols.http:
            addresses.otlp_http = await _listen(self._otlp_http.start, *split_address(protocols.http.endpoint))
        addresses.grpc = await _listen(self._grpc.start, server.grpc_listen_address, server.grpc_listen_port)
        if self._otlp_grpc and protocols.grpc:
            addresses.otlp_grpc = await _listen(self._otlp_grpc.start, *split_address(protocols.grpc.endpoint))
        return addresses

    async def stop_receiving(self) -> None:
        """Take no more spans; requests that run may finish."""
        if self._otlp_http:
            self._otlp_http.stop_listening()
        if self._otlp_grpc:
            await self._otlp_grpc.stop(GRACE_S)

    async def stop(self) -> None:
        """Stop the rest, or all that runs."""
        await self.stop_receiving()
        if self._otlp_http:
            await self._otlp_http.stop()
        self._http.stop()
        await asyncio.gather(self._grpc.stop(GRACE_S), self._http.close_all_connections())

    async def _start_http(self, host: str, port: int) -> int:
        sockets = bind_sockets(port, host or None)
        self._http.add_sockets(sockets)
        return int(sockets[0].getsockname()[1])


async def _listen(start: Callable[[str, int], Awaitable[int]], host: str, port: int) -> str:
    """Start a server and return HOST:PORT with the port that it took. Raises OSError."""
    try:
        return f"{_bracketed(host)}:{await start(host, port)}"
    except OSError as error:
        msg = f"cannot listen on {_bracketed(host)}:{port}: {error.strerror or error}"
        raise OSError(msg) from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
