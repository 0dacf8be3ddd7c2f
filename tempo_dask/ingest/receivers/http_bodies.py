"""HTTP servers that take spans: bodies of bounded size, compressed or not, of which only so many are read at a time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler, stream_request_body

from tempo_dask import telemetry
from tempo_dask.errors import BadRequest, TempoDaskError
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers import content_encoding
from tempo_dask.ingest.receivers.binding import bind
from tempo_dask.ingest.records import refused_spans
from tempo_dask.ingest.room import Overloaded
from tempo_dask.ingest.tenants import HEADER

DEFAULT_MAX_BODY_BYTES = 20 << 20
#: A body that is refused is read to its end all the same, and forgotten piece by piece, so that a client which
#: sends before it listens hears why it is refused; beyond this size the connection is closed.
LARGEST_DRAINED_BODY = 256 << 20
READ_BYTES = 1 << 16
IDLE_TIMEOUT_S = 120
BODY_TIMEOUT_S = 30
#: Bytes of all requests that are being read or written; who comes on top is told to come back later.
IN_FLIGHT_BYTES = 512 << 20
#: Bodies that are unpacked and translated at a time; each may need many times its size.
TRANSLATIONS = 1


@dataclass(slots=True)
class InFlight:
    """Counts the bytes that requests hold, and lets them be translated one by one."""

    size: int = 0
    translating: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TRANSLATIONS))


@dataclass(frozen=True, slots=True)
class Intake:
    """What every handler of a server is given."""

    push: Push
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
    in_flight: InFlight = field(default_factory=InFlight)


class HttpReceiver:
    """An HTTP server; `routes` are patterns with the handlers that take spans there."""

    def __init__(
        self,
        routes: Sequence[tuple[str, type[BodyHandler]]],
        intake: Intake,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        app = Application(
            [(pattern, handler, {"intake": intake}) for pattern, handler in routes],
            default_handler_class=UnknownPath,
            log_function=_quiet,
        )
        self._server = HTTPServer(
            app,
            max_body_size=LARGEST_DRAINED_BODY,
            chunk_size=READ_BYTES,
            idle_connection_timeout=IDLE_TIMEOUT_S,
            body_timeout=BODY_TIMEOUT_S,
            ssl_options=tls,
        )

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port. Raises OSError where the address cannot be had."""
        sockets = bind(host, port)
        self._server.add_sockets(sockets)
        return int(sockets[0].getsockname()[1])

    async def stop_receiving(self) -> None:
        """Take no new connections."""
        self._server.stop()

    async def stop(self) -> None:
        """Close the connections there are."""
        await self._server.close_all_connections()


class Plain(RequestHandler):
    """Answers that are text."""

    def set_default_headers(self) -> None:
        """Send only what is said."""
        self.clear_header("Server")

    def say(self, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
        """Answer with text."""
        self.set_status(status)
        self.set_header("Content-Type", content_type)
        self.finish(text)

    def say_nothing(self, status: int) -> None:
        """Answer with a status alone."""
        self.set_status(status)
        self.clear_header("Content-Type")
        self.finish()


class UnknownPath(Plain):
    """Every other path."""

    def prepare(self) -> None:
        """Answer before anything of the body is read."""
        self.say(404, "404 page not found\n")


@stream_request_body
class BodyHandler(Plain):
    """Reads a body, unpacks and translates it, and pushes it.

    A protocol says what it takes (`require_acceptable`), how it becomes OTLP (`translate`, or none where it is),
    and what it answers (`acknowledge`, `refuse`).
    """

    RECEIVER: ClassVar[str]

    def initialize(self, intake: Intake) -> None:
        """Take what `HttpReceiver` gives."""
        self._intake = intake
        self._held = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._refusal: TempoDaskError | None = None

    @property
    def media_type(self) -> str:
        """The type of the body, without parameters."""
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def transport(self) -> str:
        """How it came, as the metrics name it."""
        raise NotImplementedError

    def require_acceptable(self) -> None:
        """Raise what is wrong with the headers."""

    def needs_translation(self) -> bool:
        """Whether the body is not yet OTLP in protobuf."""
        return True

    def translate(self, body: bytes) -> bytes:
        """Return the body as an OTLP request. Runs in a thread. Raises BadRequest."""
        raise NotImplementedError

    def acknowledge(self) -> None:
        """Answer that the spans are safe."""
        raise NotImplementedError

    def refuse(self, error: TempoDaskError, *, translated: bool) -> None:
        """Answer that they are not; `translated` says that it is not the body's form which is wrong."""
        raise NotImplementedError

    def prepare(self) -> None:
        """See by the headers alone what is wrong, so that the body need not be kept."""
        self._encoding = self.request.headers.get("Content-Encoding", "")
        try:
            self.require_acceptable()
            content_encoding.require_known(self._encoding)
            self._require_size(self._declared_size())
        except TempoDaskError as error:
            self._refusal = error

    def data_received(self, chunk: bytes) -> None:
        """Keep what comes, up to the limit, and let go of it beyond."""
        self._size += len(chunk)
        if self._refusal is not None:
            return
        self._parts.append(chunk)
        self._held += len(chunk)
        self._intake.in_flight.size += len(chunk)
        try:
            self._require_size(self._size)
            self._require_room()
        except TempoDaskError as error:
            self._refusal = error
            self._let_go()

    async def post(self) -> None:
        """Take the request in and acknowledge it."""
        translated = False
        try:
            body = await self._protobuf()
            translated = True
            spans = await self._intake.push(self.request.headers.get_list(HEADER), body)
        except TempoDaskError as error:
            telemetry.REFUSED_SPANS.add(self.RECEIVER, self.transport, refused_spans(error))
            if isinstance(error, Overloaded):
                self.set_header("Retry-After", str(error.retry_after_s))
            self.refuse(error, translated=translated)
        else:
            telemetry.ACCEPTED_SPANS.add(self.RECEIVER, self.transport, spans)
            self.acknowledge()

    def on_finish(self) -> None:
        """Let go of the body."""
        self._let_go()

    def on_connection_close(self) -> None:
        """Let go of a body that will not come to its end."""
        self._let_go()

    def write_error(self, status_code: int, **_: Any) -> None:
        """Answer what no method answers, and what failed."""
        self.say_nothing(status_code)

    async def _protobuf(self) -> bytes:
        """Return the body as OTLP in protobuf. Raises what was found to be wrong with it."""
        if self._refusal is not None:
            raise self._refusal
        body = b"".join(self._parts)
        self._parts.clear()
        if not self._encoding and not self.needs_translation():
            return body
        async with self._intake.in_flight.translating:
            return await asyncio.to_thread(self._unpack, body)

    def _unpack(self, body: bytes) -> bytes:
        body = content_encoding.decompress(self._encoding, body, self._intake.max_body_bytes)
        return self.translate(body) if self.needs_translation() else body

    def _declared_size(self) -> int:
        """Return how long the body will be, 0 where that is not known yet."""
        try:
            return int(self.request.headers.get("Content-Length", 0))
        except ValueError:  # Tornado reads it after this, takes `5, 5` and refuses what is no number
            return 0

    def _require_size(self, size: int) -> None:
        if size > self._intake.max_body_bytes:
            raise BadRequest(content_encoding.TOO_LARGE)

    def _require_room(self) -> None:
        if self._intake.in_flight.size > IN_FLIGHT_BYTES:
            msg = "too many bytes are being read, try again later"
            raise Overloaded(msg)

    def _let_go(self) -> None:
        self._parts.clear()
        self._intake.in_flight.size -= self._held
        self._held = 0


def _quiet(_handler: RequestHandler) -> None:
    """Log no line per request."""
