"""The base of all handlers: any method, plain-text errors, gzip answers, and a query ends when its client leaves."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from tornado.web import HTTPError, RequestHandler

from tempo_dask.api.contracts import Answered, Api
from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.query_report import CLIENT_LEFT, QueryReport
from tempo_dask.engine.results import QueryMetrics
from tempo_dask.errors import BadRequest, NotAuthenticated, TempoDaskError
from traceql import TraceQLError


class Result(Protocol):
    """What a verb of the engine returns."""

    @property
    def metrics(self) -> QueryMetrics:
        """What it cost, and why it is partial, if it is."""
        ...


T = TypeVar("T", bound=Result)
Shape: TypeAlias = Literal["protobuf", "json", "llm"]

#: How many tenants a request of a path has; where it is many, it is a query.
Tenants: TypeAlias = Literal["none", "one", "many"]

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
PROTOBUF = "application/protobuf"
LLM = "application/vnd.grafana.llm+json"

_ACCEPTED: tuple[tuple[str, Shape], ...] = (
    (PROTOBUF, "protobuf"),
    (JSON, "json"),
    ("application/vnd.grafana.llm", "llm"),
)
#: Says why an answer is partial.
_PARTIAL = "X-Tempo-Partial"
_NOT_PRINTABLE = re.compile("[^ -~]")
_DENIED = (
    "Invalid request {}. This query has been identified as one that destabilizes our system. "
    "Contact your system administrator for more information"
)
_GZIP_FROM_BYTES = 1024
_GZIP_LEVEL = 1  # answers are mostly repeated keys: higher levels take 3 times as long for a tenth less

logger = logging.getLogger(__name__)


class ClientLeft(TempoDaskError):
    """The client closed the connection before it was answered."""

    status = CLIENT_LEFT


class TempoHandler(RequestHandler):
    """A path that takes any method; `route` names it in the metrics."""

    route = "other"
    cost = QueryMetrics()  # of the verbs that were asked, for the log
    sent_bytes = 0  # of the body, as it was sent
    _verb: asyncio.Future[Any] | None = None
    _has_ended = False

    def initialize(self, api: Api, *, tenants: Tenants = "none", is_open: bool = False) -> None:
        """Take what all handlers share, how many tenants a request has, and whether nobody is asked who they are."""
        self.api = api
        self._tenants = tenants
        self._is_open = is_open
        api.observer.began(self.request.method or "", self.route)

    async def answer(self, *_path: str) -> None:
        """Answer the request; the argument holds the captured parts of the path."""
        raise HTTPError(HTTPStatus.NOT_FOUND)

    async def get(self, *path: str) -> None:
        """Answer, and turn errors into their status and text."""
        try:
            self._admit()
            async with asyncio.timeout(self.api.timeout_s or None if self._tenants == "many" else None):
                await self.answer(*path)
        except NotAuthenticated as error:
            self.set_header("WWW-Authenticate", error.challenge)
            self.refuse(error.status, str(error))
        except TimeoutError:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self.say("unable to process request in the configured timeout")
        except TempoDaskError as error:
            self.refuse(error.status, str(error))
        except TraceQLError as error:
            self.refuse(HTTPStatus.BAD_REQUEST, str(error))

    def _admit(self) -> None:
        """Find out who asks, and for whose spans. Raises Unauthorized, BadRequest."""
        headers = self.request.headers
        if not self._is_open:
            self.api.authenticate(headers.get_list("Authorization"))
        org_ids = headers.get_list("X-Scope-OrgID")
        match self._tenants:
            case "many":
                self._require_allowed_url()
                self.api = self.api.for_tenant(org_ids)
            case "one":
                self.api = self._for_one_tenant(org_ids)

    def _for_one_tenant(self, org_ids: list[str]) -> Api:
        """Return what is one tenant's. Raises Unauthorized; BadRequest, whose texts end in a newline on these paths."""
        try:
            api = self.api.for_tenant(org_ids)
        except BadRequest as error:
            raise BadRequest(f"{error}\n") from error
        if "|" in api.tenant:
            msg = "multiple org IDs present\n"
            raise BadRequest(msg)
        return api

    def _require_allowed_url(self) -> None:
        """Refuse what an operator does not want to be asked. Raises BadRequest."""
        url = self.request.uri or ""
        if any(pattern.search(url) for pattern in self.api.denied_urls):
            raise BadRequest(_DENIED.format(url))

    head = post = put = patch = delete = options = get

    @property
    def is_query(self) -> bool:
        """Whether this asks for spans."""
        return self._tenants == "many"

    @property
    def arguments(self) -> Arguments:
        """The parameters of the query string; bodies are not read."""
        return Arguments.of_lists(self.request.query_arguments)

    @property
    def shape(self) -> Shape:
        """What the client takes: `Accept` is searched for known types in a fixed order, whatever else it says."""
        accept = self.request.headers.get("Accept", "")
        return next((shape for text, shape in _ACCEPTED if text in accept), "json")

    async def ask(self, verb: Awaitable[T]) -> T:
        """Await a verb of the engine; it is cancelled when the client leaves. A partial answer says so in a header."""
        running: asyncio.Future[T] = asyncio.ensure_future(verb)
        self._verb = running
        try:
            result = await running
        except asyncio.CancelledError:
            if self.request.connection.stream.closed():  # type: ignore[union-attr]  # HTTP/1 connections have one
                msg = "context canceled"
                raise ClientLeft(msg) from None
            raise
        self.cost = result.metrics
        if result.metrics.partial:
            self.set_header(_PARTIAL, _NOT_PRINTABLE.sub("?", result.metrics.partial))
        return result

    def on_connection_close(self) -> None:
        """Cancel what is asked for nobody; where nothing is asked, nobody will be answered."""
        if self._verb is not None:
            self._verb.cancel()
        else:
            self._end(CLIENT_LEFT)

    async def reply(self, content_type: str, encode: Callable[[], bytes]) -> None:
        """Encode an answer off the event loop and send it, compressed where that is worth it."""
        takes_gzip = "gzip" in self.request.headers.get("Accept-Encoding", "")
        body, is_gzip = await asyncio.to_thread(_encode, encode, takes_gzip)
        self.sent_bytes = len(body)
        self.set_header("Content-Type", content_type)
        self.set_header("Vary", "Accept-Encoding")
        if is_gzip:
            self.set_header("Content-Encoding", "gzip")
        try:
            async with asyncio.timeout(self.api.write_timeout_s or None):
                await self.finish(body)
        except TimeoutError:  # who does not read gives its memory back
            self.request.connection.stream.close()  # type: ignore[union-attr]  # HTTP/1 connections have one

    def refuse(self, status: int, text: str) -> None:
        """Answer an error: its text alone, with a newline where it comes from inside."""
        self.set_status(status, "Client Closed Request" if status == CLIENT_LEFT else None)
        self.say(text if status == HTTPStatus.BAD_REQUEST else f"{text}\n")

    def say(self, text: str, content_type: str = TEXT) -> None:
        """Answer plain text."""
        self.set_header("Content-Type", content_type)
        body = text.encode()
        self.sent_bytes = len(body)
        self.finish(body)

    def say_nothing(self, status: int) -> None:
        """Answer a status without a body."""
        self.set_status(status)
        self.clear_header("Content-Type")
        self.finish()

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        """Answer what the framework refuses, or an error nobody foresaw."""
        match status_code:
            case HTTPStatus.METHOD_NOT_ALLOWED:
                self.say_nothing(status_code)
            case HTTPStatus.NOT_FOUND:
                self.set_header("X-Content-Type-Options", "nosniff")
                self.say("404 page not found\n")
            case _:
                self.say(f"{HTTPStatus(status_code).phrase.lower()}\n")

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:  # noqa: ARG002  Tornado's own
        """Log what nobody foresaw; refusals are the client's affair."""
        if not isinstance(value, HTTPError):
            logger.error("%s %s failed", self.request.method, self.request.path, exc_info=value)

    def set_default_headers(self) -> None:
        """Say nothing about the server software."""
        self.clear_header("Server")

    def compute_etag(self) -> str | None:
        """Return no tag: answers are not cached."""
        return None

    def on_finish(self) -> None:
        """Tell the observer."""
        self._end(self.get_status())

    def _end(self, status: int) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        request = self.request
        seconds, received_bytes = request.request_time(), len(request.body or b"")
        self.api.observer.ended(
            Answered(request.method or "", self.route, status, seconds, received_bytes, self.sent_bytes)
        )


def tell_of_query(handler: RequestHandler) -> None:
    """Tell of a request that is answered, where it was a query."""
    if not isinstance(handler, TempoHandler) or not handler.is_query:
        return
    request = handler.request
    seconds = request.request_time()
    report = QueryReport(
        tenant=handler.api.tenant,
        method=request.method or "",
        path=request.uri or "",
        route=handler.route,
        status=handler.get_status(),
        started_ns=time.time_ns() - int(seconds * 1e9),
        seconds=seconds,
        sent_bytes=handler.sent_bytes,
        cost=handler.cost,
        traceparent=request.headers.get("traceparent", ""),
    )
    handler.api.tell(report)


class GetHandler(TempoHandler):
    """A path that takes GET alone."""

    SUPPORTED_METHODS = ("GET",)


def _encode(encode: Callable[[], bytes], takes_gzip: bool) -> tuple[bytes, bool]:
    body = encode()
    if not takes_gzip or len(body) < _GZIP_FROM_BYTES:
        return body, False
    return gzip.compress(body, _GZIP_LEVEL, mtime=0), True
