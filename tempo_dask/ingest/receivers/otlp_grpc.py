"""OTLP over gRPC: the bytes of a request go on as they came, nothing is parsed here."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import grpc.aio

from tempo_dask import telemetry
from tempo_dask.errors import BadRequest, TempoDaskError, TooManyRequests, Unavailable
from tempo_dask.grpc_server import GrpcServer
from tempo_dask.ingest.records import MalformedRequest, RefusedRequest

#: Takes (tenant, body), returns how many spans were taken once they are safe.
Push: TypeAlias = Callable[[str, bytes], Awaitable[int]]

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
RECEIVER = "otlp/otlp_receiver"
#: `ExportTraceServiceResponse` with an empty `partial_success`, as Tempo sends it.
SUCCESS = b"\n\x00"
DEFAULT_MAX_MESSAGE_BYTES = 16 << 20


class OtlpGrpcReceiver:
    """A gRPC server with the one method `Export`."""

    def __init__(self, push: Push, *, tenant: str, max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES) -> None:
        self._push = push
        self._tenant = tenant
        export = grpc.unary_unary_rpc_method_handler(self._export)
        service = grpc.method_handlers_generic_handler(SERVICE, {"Export": export})
        self._server = GrpcServer([service], max_received_bytes=max_message_bytes, max_sent_bytes=max_message_bytes)

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port. Raises OSError where the address cannot be had."""
        return await self._server.start(host, port)

    async def stop(self, grace_s: float) -> None:
        """Take no new requests and give running ones time to finish."""
        await self._server.stop(grace_s)

    async def _export(self, body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        started = time.perf_counter()
        try:
            spans = await self._push(self._tenant, body)
        except TempoDaskError as error:
            telemetry.REFUSED_SPANS.add(RECEIVER, "grpc", error.spans if isinstance(error, RefusedRequest) else 0)
            await context.abort(*_status(error))
            raise  # `abort` has raised already, which its type does not say
        telemetry.ACCEPTED_SPANS.add(RECEIVER, "grpc", spans)
        telemetry.PUSH_DURATION.observe(time.perf_counter() - started)
        return SUCCESS


def _status(error: TempoDaskError) -> tuple[grpc.StatusCode, str]:
    match error:
        case MalformedRequest():
            return grpc.StatusCode.INTERNAL, f"grpc: error unmarshalling request: {error}"
        case Unavailable():
            return grpc.StatusCode.UNAVAILABLE, str(error)
        case TooManyRequests():
            return grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)
        case BadRequest():
            return grpc.StatusCode.INVALID_ARGUMENT, str(error)
        case _:
            return grpc.StatusCode.INTERNAL, str(error)
