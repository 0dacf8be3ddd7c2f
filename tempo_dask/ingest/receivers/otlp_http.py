"""OTLP over HTTP: protobuf or JSON, compressed or not, with the answers of the OpenTelemetry Collector."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import orjson
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, stream_request_body

from tempo_dask import telemetry
from tempo_dask.errors import BadRequest, TempoDaskError, TooManyRequests, Unavailable
from tempo_dask.ingest.receivers import content_encoding, otlp_json
from tempo_dask.ingest.receivers.otlp_grpc import RECEIVER, SUCCESS, Push
from tempo_dask.ingest.records import RefusedRequest

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
DEFAULT_MAX_BODY_BYTES = 20 << 20
#: A body that is refused is read to its end all the same, and forgotten piece by piece, so that a client which
#: sends before it listens hears why it is refused; beyond this size the connection is closed.
LARGEST_DRAINED_BODY = 256 << 20
READ_BYTES = 1 << 16
IDLE_TIMEOUT_S = 120
BODY_TIMEOUT_S = 30
#: Bytes of all requests that are being read or written; who comes on top is told to come back later.
IN_FLIGHT_BYTES = 512 << 20

#: HTTP status and gRPC code of an error.
_CODES = ((TooManyRequests, 429, 8), (Unavailable, 503, 14), (BadRequest, 400, 3))


class UnsupportedMediaType(TempoDaskError):
    """The body is neither protobuf nor JSON."""

    status = 415


class OtlpHttpReceiver:
    """An HTTP server that takes requests at one path."""

    def __init__(
        self,
        push: Push,
        *,
        tenant: str,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        path: str = "/v1/traces",
    ) -> None:
        given = {"push": push, "tenant": tenant, "max_body_bytes": max_body_bytes, "in_flight": InFlight()}
        app = Application([(path, TracesHandler, given)], default_handler_class=UnknownPath, log_function=_quiet)
        self._server = HTTPServer(
            app,
            max_body_size=LARGEST_DRAINED_BODY,
            chunk_size=READ_BYTES,
            idle_connection_timeout=IDLE_TIMEOUT_S,
            body_timeout=BODY_TIMEOUT_S,
        )

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port. Raises OSError where the address cannot be had."""
        sockets = bind_sockets(port, host or None)
        self._server.add_sockets(sockets)
        return int(sockets[0].getsockname()[1])

    def stop_listening(self) -> None:
        """Take no new connections."""
        self._server.stop()

    async def stop(self) -> None:
        """Close the connections there are."""
        await self._server.close_all_connections()


@dataclass(slots=True)
class InFlight:
    """Counts the bytes that requests hold."""

    size: int = 0


class _Plain(RequestHandler):
    """Answers that are text."""

    def set_default_headers(self) -> None:
        """Send only what is said."""
        self.clear_header("Server")

    def say(self, status: int, text: str, content_type: str = "text/plain") -> None:
        """Answer with text."""
        self.set_status(status)
        self.set_header("Content-Type", content_type)
        self.finish(text)


class UnknownPath(_Plain):
    """Every other path."""

    def prepare(self) -> None:
        """Answer before anything of the body is read."""
        self.say(404, "404 page not found\n", "text/plain; charset=utf-8")


@stream_request_body
class TracesHandler(_Plain):
    """POST of an `ExportTraceServiceRequest`."""

    SUPPORTED_METHODS = ("POST",)

    def initialize(self, push: Push, tenant: str, max_body_bytes: int, in_flight: InFlight) -> None:
        """Take what `OtlpHttpReceiver` gives."""
        self._in_flight = in_flight
        self._held = 0
        self._push = push
        self._tenant = tenant
        self._limit = max_body_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._refusal: TempoDaskError | None = None

    def prepare(self) -> None:
        """See by the headers alone what is wrong, so that the body need not be kept."""
        self._media_type = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self._encoding = self.request.headers.get("Content-Encoding", "")
        try:
            self._require_media_type()
            content_encoding.require_known(self._encoding)
            self._require_size(int(self.request.headers.get("Content-Length", 0)))
        except TempoDaskError as error:
            self._refusal = error

    def data_received(self, chunk: bytes) -> None:
        """Keep what comes, up to the limit, and let go of it beyond."""
        self._size += len(chunk)
        if self._refusal is not None:
            return
        self._parts.append(chunk)
        self._held += len(chunk)
        self._in_flight.size += len(chunk)
        try:
            self._require_size(self._size)
            self._require_room()
        except TempoDaskError as error:
            self._refusal = error
            self._let_go()

    async def post(self) -> None:
        """Take the request in and acknowledge it."""
        started = time.perf_counter()
        try:
            spans = await self._push(self._tenant, await self._protobuf())
        except UnsupportedMediaType as error:
            self.say(error.status, str(error))
        except TempoDaskError as error:
            self._refuse(error)
        else:
            telemetry.ACCEPTED_SPANS.add(RECEIVER, "http", spans)
            telemetry.PUSH_DURATION.observe(time.perf_counter() - started)
            self.set_header("Content-Type", self._media_type)
            self.finish(b'{"partialSuccess":{}}' if self._media_type == JSON else SUCCESS)

    def on_finish(self) -> None:
        """Let go of the body."""
        self._let_go()

    def on_connection_close(self) -> None:
        """Let go of a body that will not come to its end."""
        self._let_go()

    def write_error(self, status_code: int, **_: Any) -> None:
        """Answer what no method answers, and what failed."""
        if status_code == 405:
            self.say(405, "405 method not allowed, supported: [POST]")
        else:
            self.say(status_code, "")

    async def _protobuf(self) -> bytes:
        """Return the body as protobuf. Raises what was found to be wrong with it."""
        if self._refusal is not None:
            raise self._refusal
        body = b"".join(self._parts)
        self._parts.clear()
        if self._encoding or self._media_type == JSON:
            return await asyncio.to_thread(self._translate, body)
        return body

    def _translate(self, body: bytes) -> bytes:
        body = content_encoding.decompress(self._encoding, body, self._limit)
        return otlp_json.to_protobuf(body) if self._media_type == JSON else body

    def _require_media_type(self) -> None:
        if self._media_type not in (JSON, PROTOBUF):
            msg = f"415 unsupported media type, supported: [{JSON}, {PROTOBUF}]"
            raise UnsupportedMediaType(msg)

    def _require_size(self, size: int) -> None:
        if size > self._limit:
            raise BadRequest(content_encoding.TOO_LARGE)

    def _require_room(self) -> None:
        if self._in_flight.size > IN_FLIGHT_BYTES:
            msg = "too many bytes are being read, try again later"
            raise Unavailable(msg)

    def _let_go(self) -> None:
        self._parts.clear()
        self._in_flight.size -= self._held
        self._held = 0

    def _refuse(self, error: TempoDaskError) -> None:
        """Answer with a `google.rpc.Status` in the encoding of the request."""
        telemetry.REFUSED_SPANS.add(RECEIVER, "http", error.spans if isinstance(error, RefusedRequest) else 0)
        status, code = next(((s, c) for kind, s, c in _CODES if isinstance(error, kind)), (500, 13))
        self.set_status(status)
        self.set_header("Content-Type", self._media_type)
        if self._media_type == JSON:
            self.finish(orjson.dumps({"code": code, "message": str(error)}))
        else:
            self.finish(_status_message(code, str(error)))


def _status_message(code: int, text: str) -> bytes:
    """Return `google.rpc.Status{code, message}` on the wire."""
    message = text.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(message)) + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _quiet(_handler: RequestHandler) -> None:
    """Log no line per request."""
