"""OTLP over HTTP: protobuf or JSON, compressed or not, with the answers of the OpenTelemetry Collector."""

from __future__ import annotations

import re
import ssl
from math import ceil
from typing import Any

from tempo_dask.errors import TempoDaskError
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers import otlp_json, rpc_status
from tempo_dask.ingest.receivers.http_bodies import DEFAULT_MAX_BODY_BYTES, BodyHandler, HttpReceiver, Intake
from tempo_dask.ingest.receivers.otlp_grpc import RECEIVER, SUCCESS

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


class UnsupportedMediaType(TempoDaskError):
    """The body is neither protobuf nor JSON."""

    status = 415


def otlp_http(
    push: Push,
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
    path: str = "/v1/traces",
    tls: ssl.SSLContext | None = None,
) -> HttpReceiver:
    """Return a server that takes requests at one path."""
    return HttpReceiver([(re.escape(path), TracesHandler)], Intake(push, max_body_bytes), tls)


class TracesHandler(BodyHandler):
    """POST of an `ExportTraceServiceRequest`."""

    SUPPORTED_METHODS = ("POST",)
    RECEIVER = RECEIVER

    @property
    def transport(self) -> str:
        """The one there is."""
        return "http"

    def require_acceptable(self) -> None:
        """Raise UnsupportedMediaType for what is neither protobuf nor JSON."""
        if self.media_type not in (JSON, PROTOBUF):
            msg = f"415 unsupported media type, supported: [{JSON}, {PROTOBUF}]"
            raise UnsupportedMediaType(msg)

    def needs_translation(self) -> bool:
        """Protobuf goes on as it came."""
        return self.media_type == JSON

    def translate(self, body: bytes) -> bytes:
        """Return JSON as protobuf."""
        return otlp_json.to_protobuf(body)

    def acknowledge(self) -> None:
        """Answer in the encoding of the request."""
        self.set_header("Content-Type", self.media_type)
        self.finish(b'{"partialSuccess":{}}' if self.media_type == JSON else SUCCESS)

    def refuse(self, error: TempoDaskError, *, translated: bool) -> None:  # noqa: ARG002  # both are told alike
        """Answer with a `google.rpc.Status` in the encoding of the request."""
        if isinstance(error, UnsupportedMediaType):
            self.say(error.status, str(error), "text/plain")
            return
        self.set_status(rpc_status.codes_of(error)[0])
        self.set_header("Content-Type", self.media_type)
        if seconds := rpc_status.retry_after_s(error):
            self.set_header("Retry-After", str(ceil(seconds)))  # the header knows whole seconds alone
        self.finish(rpc_status.to_json(error) if self.media_type == JSON else rpc_status.to_protobuf(error))

    def write_error(self, status_code: int, **_: Any) -> None:
        """Answer what no method answers, and what failed."""
        if status_code == 405:
            self.say(405, "405 method not allowed, supported: [POST]", "text/plain")
        else:
            self.say(status_code, "", "text/plain")
