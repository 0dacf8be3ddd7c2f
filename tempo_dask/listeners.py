"""Everything that listens: the HTTP API, gRPC, and the receivers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields

import grpc.aio
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from tempo_dask.api.contracts import Api
from tempo_dask.api.grpc.health import Health
from tempo_dask.api.http.app import make_app, make_server
from tempo_dask.config import Config, split_address
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
        self._grpc = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", config.server.grpc_server_max_recv_msg_size),
                ("grpc.max_send_message_length", config.server.grpc_server_max_send_msg_size),
                ("grpc.so_reuseport", 0),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ]
        )
        health = Health(lambda: api.operations.not_ready() is None)
        self._grpc.add_generic_rpc_handlers((health.handler(),))
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
        addresses = Addresses()
        addresses.http = self._start_http(server.http_listen_address, server.http_listen_port)
        addresses.grpc = await self._start_grpc(server.grpc_listen_address, server.grpc_listen_port)
        protocols = self._config.distributor.receivers.otlp.protocols
        if self._otlp_grpc and protocols.grpc:
            host, port = split_address(protocols.grpc.endpoint)
            port = await self._otlp_grpc.start(_joined(host or "[::]", port))
            addresses.otlp_grpc = _joined(host, port)
        if self._otlp_http and protocols.http:
            host, port = split_address(protocols.http.endpoint)
            try:
                addresses.otlp_http = _joined(host, self._otlp_http.start(host, port))
            except OSError as error:
                raise _taken(host, port, error) from error
        return addresses

    async def stop_receiving(self) -> None:
        """Take no more spans; requests that run may finish."""
        if self._otlp_http:
            self._otlp_http.stop_listening()
        if self._otlp_grpc:
            await self._otlp_grpc.stop(GRACE_S)

    async def stop(self) -> None:
        """Stop the rest."""
        self._http.stop()
        if self._otlp_http:
            await self._otlp_http.stop()
        await asyncio.gather(self._grpc.stop(GRACE_S), self._http.close_all_connections())

    def _start_http(self, host: str, port: int) -> str:
        try:
            sockets = bind_sockets(port, host or None)
        except OSError as error:
            raise _taken(host, port, error) from error
        self._http.add_sockets(sockets)
        return _joined(host, sockets[0].getsockname()[1])

    async def _start_grpc(self, host: str, port: int) -> str:
        try:
            taken = self._grpc.add_insecure_port(_joined(host or "[::]", port))
        except RuntimeError as error:
            raise _taken(host, port, error) from error
        await self._grpc.start()
        return _joined(host, taken)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _taken(host: str, port: int, error: Exception) -> OSError:
    reason = error.strerror if isinstance(error, OSError) else error
    return OSError(f"cannot listen on {_joined(host, port)}: {reason}")
