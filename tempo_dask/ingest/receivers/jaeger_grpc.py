"""Jaeger's collector over gRPC: `PostSpans`."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio

from tempo_dask import telemetry
from tempo_dask.errors import TempoDaskError
from tempo_dask.grpc_server import GrpcServer
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers import jaeger_otlp, jaeger_proto
from tempo_dask.ingest.receivers.grpc_calls import GRACE_S, Context, org_ids, refuse
from tempo_dask.ingest.receivers.http_bodies import TRANSLATIONS
from tempo_dask.ingest.receivers.jaeger_http import RECEIVER
from tempo_dask.ingest.records import refused_spans

SERVICE = "jaeger.api_v2.CollectorService"
TRANSPORT = "grpc"
#: `PostSpansResponse`, which has no fields.
SUCCESS = b""


class JaegerGrpcReceiver:
    """A gRPC server with the one method `PostSpans`."""

    def __init__(self, push: Push, max_message_bytes: int, tls: grpc.ServerCredentials | None = None) -> None:
        self._push = push
        self._translating = asyncio.Semaphore(TRANSLATIONS)
        post = grpc.unary_unary_rpc_method_handler(self._post_spans)
        service = grpc.method_handlers_generic_handler(SERVICE, {"PostSpans": post})
        self._server = GrpcServer(
            [service], max_received_bytes=max_message_bytes, max_sent_bytes=max_message_bytes, tls=tls
        )

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port. Raises OSError where the address cannot be had."""
        return await self._server.start(host, port)

    async def stop_receiving(self) -> None:
        """Take no new requests and give running ones time to finish."""
        await self._server.stop(GRACE_S)

    async def stop(self) -> None:
        """Nothing is left to be closed."""

    async def _post_spans(self, message: bytes, context: Context) -> bytes:
        try:
            async with self._translating:
                body = await asyncio.to_thread(_translate, message)
            spans = await self._push(org_ids(context), body)
        except TempoDaskError as error:
            telemetry.REFUSED_SPANS.add(RECEIVER, TRANSPORT, refused_spans(error))
            await refuse(context, error)
            raise  # `refuse` has raised already, which its type does not say
        telemetry.ACCEPTED_SPANS.add(RECEIVER, TRANSPORT, spans)
        return SUCCESS


def _translate(message: bytes) -> bytes:
    return jaeger_otlp.to_otlp(jaeger_proto.read_request(message))
