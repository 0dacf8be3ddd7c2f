"""A gRPC server on the event loop, from start to end."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
import grpc.aio


class GrpcServer:
    """Serves handlers at one address; messages have at most so many bytes, unpacked."""

    def __init__(
        self, handlers: Sequence[grpc.GenericRpcHandler], *, max_received_bytes: int, max_sent_bytes: int
    ) -> None:
        self._handlers = tuple(handlers)
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
            taken: int = server.add_insecure_port(address)
        except RuntimeError as error:
            await server.start()  # without a port, for only a started server can be stopped and freed
            await server.stop(None)
            msg = "the address is in use or is not one of this machine"
            raise OSError(msg) from error
        await server.start()
        self._server = server
        return taken

    async def stop(self, grace_s: float) -> None:
        """Take no new requests, give running ones time to finish, and free the port."""
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None
