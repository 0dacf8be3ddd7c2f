"""`grpc.health.v1.Health`: whether the server takes requests.

Its messages have one field each, so they are read and written here by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import grpc.aio

SERVICE = "grpc.health.v1.Health"
_SERVING = b"\x08\x01"
_NOT_SERVING = b"\x08\x02"
_SERVICE_UNKNOWN = b"\x08\x03"
_POLL_S = 1.0


class Health:
    """Answers for the server as a whole, the empty service name, and for the services it is told of."""

    def __init__(self, is_ready: Callable[[], bool], services: tuple[str, ...] = ()) -> None:
        self._is_ready = is_ready
        self._services = {"", *services}

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what to add to a server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Check": grpc.unary_unary_rpc_method_handler(self._check),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
            },
        )

    async def _check(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        status = self._status(request)
        if status is _SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return status

    async def _watch(self, request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
        told = None
        while True:
            if (status := self._status(request)) != told:
                told = status
                yield status
            await asyncio.sleep(_POLL_S)

    def _status(self, request: bytes) -> bytes:
        if _service_name(request) not in self._services:
            return _SERVICE_UNKNOWN
        return _SERVING if self._is_ready() else _NOT_SERVING


def _service_name(request: bytes) -> str:
    """Return field 1 of a request: tag 0x0A, a length of one byte (no service's name is longer), the name."""
    if len(request) < 2 or request[0] != 0x0A:
        return ""
    return request[2 : 2 + request[1]].decode(errors="replace")
