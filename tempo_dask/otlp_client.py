"""Sends export requests to an OTLP/HTTP endpoint, several at a time, as a patient exporter does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from queue import Empty, SimpleQueue
from threading import Event
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tempo_dask.errors import TempoDaskError

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACES_PATH = "/v1/traces"
RETRYABLE = frozenset({429, 502, 503, 504})
ATTEMPTS = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
TIMEOUT_S = 60.0
SHOWN_ANSWER_CHARACTERS = 300


class Unreachable(TempoDaskError):
    """Nothing that speaks HTTP answers at the address."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A request to send; `place` names it in errors, `position` says how far its source is read behind it."""

    body: bytes
    spans: int
    place: str
    content_type: str = PROTOBUF
    position: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one attempt; `retry_after_s` is how long the server asks to wait, if it does."""

    status: int
    body: bytes
    retry_after_s: float | None


class OtlpClient:
    """Keeps up to `connections` connections to one endpoint. Use as a context manager; leaving it ends every wait.

    A `tenant` that is named goes into `X-Scope-OrgID`.
    """

    def __init__(self, url: str, connections: int = 4, tenant: str = "") -> None:
        self.endpoint = url.rstrip("/").removesuffix(TRACES_PATH)
        parts = urlsplit(self.endpoint)
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise Unreachable(f"{url}: expected an address such as http://127.0.0.1:4318")
        self._parts = parts
        self._connections = connections
        self._headers = {"X-Scope-OrgID": tenant} if tenant else {}
        self._idle: SimpleQueue[HTTPConnection] = SimpleQueue()
        self._stopped = Event()
        self._has_answered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        while (connection := self._take_idle()) is not None:
            connection.close()

    def send_all(self, requests: Iterable[ExportRequest]) -> Iterator[tuple[ExportRequest, str | None]]:
        """Send requests side by side; yield each as it is done, with what went wrong if anything did.

        Requests are taken from the iterable no faster than they are sent. Raises `Unreachable` when the endpoint has
        never answered.
        """
        waiting: dict[Future[str | None], ExportRequest] = {}
        with ThreadPoolExecutor(self._connections) as pool:
            try:
                for request in requests:
                    waiting[pool.submit(self.send, request)] = request
                    if len(waiting) >= 2 * self._connections:
                        yield from _take_done(waiting)
                while waiting:
                    yield from _take_done(waiting)
            finally:
                for future in waiting:
                    future.cancel()
                if waiting:
                    self._stopped.set()

    def send(self, request: ExportRequest) -> str | None:
        """Send one request, again while the server asks for patience; return what went wrong, or None."""
        wrong: str | None = "the client was closed"
        for attempt in range(ATTEMPTS):
            if self._stopped.is_set():
                break
            answer = self._try(request)
            wrong = _complaint(answer, request.content_type)
            if wrong is None or answer.status not in RETRYABLE or attempt == ATTEMPTS - 1:
                break
            self._stopped.wait(_pause_s(attempt, answer))
        return wrong

    def _try(self, request: ExportRequest) -> Answer:
        """Return the answer to one attempt; a broken connection is answered 503, as a proxy would."""
        try:
            with self._connection() as connection:
                path = self._parts.path + TRACES_PATH
                headers = {"Content-Type": request.content_type, **self._headers}
                connection.request("POST", path, request.body, headers)
                response = connection.getresponse()
                answer = Answer(response.status, response.read(), _retry_after_s(response.getheader("Retry-After")))
        except (OSError, HTTPException) as error:
            reason = str(error) or type(error).__name__
            if not self._has_answered:
                raise Unreachable(f"{self.endpoint}: no answer to OTLP over HTTP: {reason}") from error
            return Answer(503, f"connection lost: {reason}".encode(), None)
        self._has_answered = True
        return answer

    @contextmanager
    def _connection(self) -> Iterator[HTTPConnection]:
        """Lend an idle connection or a new one; it is kept unless its use raised."""
        connection = self._take_idle() or self._new_connection()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)

    def _take_idle(self) -> HTTPConnection | None:
        try:
            return self._idle.get_nowait()
        except Empty:
            return None

    def _new_connection(self) -> HTTPConnection:
        make = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
        return make(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT_S)


def _take_done(waiting: dict[Future[str | None], ExportRequest]) -> Iterator[tuple[ExportRequest, str | None]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        yield waiting.pop(future), future.result()


def _complaint(answer: Answer, content_type: str) -> str | None:
    """Return what is wrong with an answer: a status other than 200, or spans that a 200 says were left out."""
    if answer.status != 200:
        text = answer.body.decode("utf-8", "replace")[:SHOWN_ANSWER_CHARACTERS].strip()
        return f"the server answered {answer.status}: {text}"
    rejected, message = _rejected_json(answer.body) if content_type == JSON else _rejected_protobuf(answer.body)
    return f"the server left out {rejected} spans: {message}" if rejected else None


def _rejected_protobuf(body: bytes) -> tuple[int, str]:
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        return 0, ""
    return partial.rejected_spans, partial.error_message


def _rejected_json(body: bytes) -> tuple[int, str]:
    try:
        partial = orjson.loads(body).get("partialSuccess") or {}
        return int(partial.get("rejectedSpans", 0)), str(partial.get("errorMessage", ""))
    except (ValueError, AttributeError):
        return 0, ""


def _retry_after_s(header: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, written as a number or as a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _pause_s(attempt: int, answer: Answer) -> float:
    if answer.retry_after_s is not None:
        return answer.retry_after_s
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**attempt)
