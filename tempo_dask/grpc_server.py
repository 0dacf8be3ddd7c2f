"""A gRPC server on the event loop, from start to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import grpc
import grpc.aio


class GrpcServer:
    """Serves handlers at one address, and at a Unix socket besides where a path is given for it.

    Messages have at most so many bytes, unpacked.
    """

    def __init__(
        self,
        handlers: Sequence[grpc.GenericRpcHandler],
        *,
        max_received_bytes: int,
        max_sent_bytes: int,
        tls: grpc.ServerCredentials | None = None,
        local_path: Path | None = None,
    ) -> None:
        self._handlers = tuple(handlers)
        self._tls = tls
        self._local_path = local_path
        self._options = [
            ("grpc.max_receive_message_length", max_received_bytes),
            ("grpc.max_send_message_length", max_sent_bytes),
            ("grpc.so_reuseport", 0),  # a taken port is an error, not a second listener
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port; an empty host is every interface. Raises OSError."""
        server = grpc.aio.server(options=self._options)
        server.add_generic_rpc_handlers(self._handlers)
        address = f"[{host}]:{port}" if ":" in host else f"{host or '[::]'}:{port}"
        try:
            taken = self._add_port(server, address)
        except RuntimeError as error:
            await server.start()  # without a port, for only a started server can be stopped and freed
            await server.stop(None)
            msg = "the address is in use or is not one of this machine"
            raise OSError(msg) from error
        await server.start()
        self._server = server
        return taken

    def _add_port(self, server: grpc.aio.Server, address: str) -> int:
        """Return the port taken. Raises RuntimeError."""
        if self._local_path is not None:
            server.add_insecure_port(f"unix:{self._local_path}")
        if self._tls is not None:
            return int(server.add_secure_port(address, self._tls))
        return int(server.add_insecure_port(address))

    async def stop(self, grace_s: float) -> None:
        """Take no new requests, give running ones time to finish, and free the port."""
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None
