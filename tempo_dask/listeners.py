"""Everything that listens: the HTTP API, gRPC, and the receivers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from tempo_dask.api.contracts import Api
from tempo_dask.api.grpc.health import Health
from tempo_dask.api.grpc.querier import SERVICE, StreamingQuerier
from tempo_dask.api.http.app import make_app, make_server
from tempo_dask.config.file import Config
from tempo_dask.grpc_server import GrpcServer
from tempo_dask.ingest import receiving
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers.binding import patient
from tempo_dask.ingest.receiving import bracketed, receivers_of
from tempo_dask.tls import grpc_tls, http_tls

#: How long running requests may take to finish when the server stops.
GRACE_S = 5.0


class Listeners:
    """The servers of a process, made for one event loop."""

    def __init__(self, config: Config, api: Api, push: Push) -> None:
        self._config = config
        server = config.server
        self._folder = TemporaryDirectory(prefix="tempo-dask-")  # nobody else may enter it
        local_path = Path(self._folder.name) / "grpc" if config.stream_over_http_enabled else None
        self._http: HTTPServer = make_server(
            make_app(api),
            tls=http_tls(server.http_tls_config),
            http2_path=local_path,
            read_timeout_s=server.http_server_read_timeout.total_seconds(),
            idle_timeout_s=server.http_server_idle_timeout.total_seconds(),
        )
        health = Health(lambda: api.operations.not_ready() is None, (SERVICE,))
        querier = StreamingQuerier(api, write_timeout_s=server.http_server_write_timeout.total_seconds())
        self._grpc = GrpcServer(
            [health.handler(), *([querier.handler()] if api.has_queries else [])],
            max_received_bytes=server.grpc_server_max_recv_msg_size,
            max_sent_bytes=server.grpc_server_max_send_msg_size,
            tls=grpc_tls(server.grpc_tls_config),
            local_path=local_path,
        )
        self._receivers = receivers_of(config.distributor.receivers, push) if config.role.ingests else ()

    async def start(self) -> dict[str, str]:
        """Listen everywhere, and return where, HOST:PORT by name. Raises OSError, which names what cannot be had."""
        server = self._config.server
        addresses = {
            "http": await _listen(self._start_http, server.http_listen_address, server.http_listen_port),
            "grpc": await _listen(self._grpc.start, server.grpc_listen_address, server.grpc_listen_port),
        }
        for placed in self._receivers:
            if address := await receiving.start(placed):
                addresses[placed.name] = address
        return addresses

    async def stop_receiving(self) -> None:
        """Take no more spans; requests that run may finish."""
        await asyncio.gather(*(placed.receiver.stop_receiving() for placed in self._receivers))

    async def stop(self) -> None:
        """Stop the rest, or all that runs."""
        await self.stop_receiving()
        await asyncio.gather(*(placed.receiver.stop() for placed in self._receivers))
        self._http.stop()
        await self._grpc.stop(GRACE_S)
        await self._http.close_all_connections()  # after the streams that run over HTTP's port
        self._folder.cleanup()

    async def _start_http(self, host: str, port: int) -> int:
        sockets = patient(bind_sockets(port, host or None))
        self._http.add_sockets(sockets)
        return int(sockets[0].getsockname()[1])


async def _listen(start: Callable[[str, int], Awaitable[int]], host: str, port: int) -> str:
    """Start a server and return HOST:PORT with the port that it took. Raises OSError."""
    try:
        return f"{bracketed(host)}:{await start(host, port)}"
    except OSError as error:
        msg = f"cannot listen on {bracketed(host)}:{port}: {error.strerror or error}"
        raise OSError(msg) from error
