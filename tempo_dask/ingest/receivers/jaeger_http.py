"""Jaeger's Thrift over HTTP, as its clients send it to a collector: POST /api/traces."""

from __future__ import annotations

import ssl

from tempo_dask.errors import BadRequest, TempoDaskError
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers import jaeger_otlp, jaeger_thrift
from tempo_dask.ingest.receivers.http_bodies import DEFAULT_MAX_BODY_BYTES, BodyHandler, HttpReceiver, Intake
from tempo_dask.ingest.records import MalformedRequest

RECEIVER = "jaeger/jaeger_receiver"
MEDIA_TYPES = ("application/x-thrift", "application/vnd.apache.thrift.binary")


def jaeger_http(
    push: Push, max_body_bytes: int = DEFAULT_MAX_BODY_BYTES, tls: ssl.SSLContext | None = None
) -> HttpReceiver:
    """Return a server that takes batches."""
    return HttpReceiver([("/api/traces", BatchHandler)], Intake(push, max_body_bytes), tls)


class BatchHandler(BodyHandler):
    """POST of a batch in Thrift's binary protocol."""

    SUPPORTED_METHODS = ("POST",)
    RECEIVER = RECEIVER

    @property
    def transport(self) -> str:
        """The one there is."""
        return "collector_http"

    def require_acceptable(self) -> None:
        """Raise BadRequest for what is not Thrift in its binary protocol."""
        if not self.media_type:
            msg = "Cannot parse content type: mime: no media type"
            raise BadRequest(msg)
        if self.media_type not in MEDIA_TYPES:
            msg = f"Unsupported content type: {self.media_type}"
            raise BadRequest(msg)

    def translate(self, body: bytes) -> bytes:
        """Return a batch as OTLP."""
        try:
            return jaeger_otlp.to_otlp(jaeger_thrift.read_batch(body))
        except MalformedRequest as error:
            msg = f"Unable to process request body: {error}"
            raise MalformedRequest(msg) from error

    def acknowledge(self) -> None:
        """Answer with nothing."""
        self.say_nothing(202)

    def refuse(self, error: TempoDaskError, *, translated: bool) -> None:
        """Answer as Jaeger's collector does: what the write path refuses is an error of the server."""
        if not translated:
            self.say(error.status, f"{error}\n")
            return
        said = f"rpc error: code = InvalidArgument desc = {error}" if isinstance(error, BadRequest) else str(error)
        self.say(500, f"Cannot submit Jaeger batch: {said}\n")
