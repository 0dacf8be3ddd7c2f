"""OTLP over gRPC: the bytes of a request go on as they came, nothing is parsed here."""

from __future__ import annotations

import grpc
import grpc.aio

from tempo_dask import telemetry
from tempo_dask.errors import TempoDaskError
from tempo_dask.grpc_server import GrpcServer
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers.grpc_calls import GRACE_S, Context, org_ids, refuse
from tempo_dask.ingest.records import refused_spans

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
RECEIVER = "otlp/otlp_receiver"
#: `ExportTraceServiceResponse` with an empty `partial_success`, as Tempo sends it.
SUCCESS = b"\n\x00"
DEFAULT_MAX_MESSAGE_BYTES = 16 << 20


class OtlpGrpcReceiver:
    """A gRPC server with the one method `Export`."""

    def __init__(
        self,
        push: Push,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        tls: grpc.ServerCredentials | None = None,
    ) -> None:
        self._push = push
        export = grpc.unary_unary_rpc_method_handler(self._export)
        service = grpc.method_handlers_generic_handler(SERVICE, {"Export": export})
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

    async def _export(self, body: bytes, context: Context) -> bytes:
        try:
            spans = await self._push(org_ids(context), body)
        except TempoDaskError as error:
            telemetry.REFUSED_SPANS.add(RECEIVER, "grpc", refused_spans(error))
            await refuse(context, error)
            raise  # `refuse` has raised already, which its type does not say
        telemetry.ACCEPTED_SPANS.add(RECEIVER, "grpc", spans)
        return SUCCESS
