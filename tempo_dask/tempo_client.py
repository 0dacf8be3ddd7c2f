"""Questions to a server with Tempo's HTTP API, ours or another, and what went wrong with them in words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import orjson

from tempo_dask.errors import BadRequest, NotFound, QueryFailed, TempoDaskError, Unauthorized, Unavailable

TIMEOUT_S = 120.0
TENANT_HEADER = "X-Scope-OrgID"
_JSON, _PROTOBUF = "application/json", "application/protobuf"
_SHOWN_CHARACTERS = 500
_KINDS: Mapping[int, type[TempoDaskError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    502: Unavailable,
    503: Unavailable,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long until all of it had: seconds."""

    status: int
    body: bytes
    seconds: float


@dataclass(slots=True)
class Connection:
    """A connection that is kept, with one question at a time. Use as a context manager.

    `headers` go with every question. Raises BadRequest where `url` is no address of a server.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = TIMEOUT_S
    _prefix: str = field(init=False)
    _connection: HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(check_url(self.url))
        make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._prefix = parts.path.rstrip("/")
        self._connection = make(parts.hostname or "", parts.port, timeout=self.timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """Ask the server for a path, whatever it answers. Raises Unavailable where nothing comes within the time."""
        started = time.perf_counter()
        try:
            self._connection.request(method, self._prefix + path, headers={**(headers or {}), **self.headers})
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            self._connection.close()  # the next question opens it anew
            msg = f"no answer from {self.url}: {str(error) or type(error).__name__}"
            raise Unavailable(msg) from error
        return Answer(response.status, body, time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class TempoApi:
    """A server that speaks Tempo's API at `url`, with a prefix of the path where it has one.

    `headers` go with every question: credentials, and `X-Scope-OrgID` where the server has tenants.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        check_url(self.url)

    def json(self, path: str, **parameters: object) -> dict[str, Any]:
        """Return the answer as parsed JSON. Raises TempoDaskError, as `ask`, and where the answer is no JSON."""
        body = self.ask(path, _JSON, parameters)
        try:
            answer = orjson.loads(body)
        except ValueError as error:
            msg = f"{self.url}{path} answered something that is no JSON: is this Tempo's query API?"
            raise QueryFailed(msg) from error
        if not isinstance(answer, dict):
            msg = f"{self.url}{path} answered JSON that is no object: is this Tempo's query API?"
            raise QueryFailed(msg)
        return answer

    def protobuf(self, path: str) -> bytes:
        """Return the answer as protobuf. Raises TempoDaskError, as `ask`."""
        return self.ask(path, _PROTOBUF, {})

    def ask(self, path: str, accept: str, parameters: Mapping[str, object]) -> bytes:
        """Return the body of a good answer.

        Raises Unavailable where nobody answers, and for every other status an error with the server's own text:
        BadRequest, Unauthorized, NotFound, Unavailable, QueryFailed.
        """
        query = f"?{urlencode(parameters)}" if parameters else ""
        with Connection(self.url, self.headers, self.timeout_s) as connection:
            answer = connection.ask(quote(path) + query, headers={"Accept": accept})
        if answer.status != 200:
            text = answer.body.decode(errors="replace").strip()[:_SHOWN_CHARACTERS]
            msg = f"{self.url}{path} answered {answer.status}{f': {text}' if text else ''}"
            raise _KINDS.get(answer.status, QueryFailed)(msg)
        return answer.body


def check_url(url: str) -> str:
    """Return the address of a server. Raises BadRequest where it is none."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"expected the address of a query API such as http://127.0.0.1:3200, found {url!r}"
        raise BadRequest(msg)
    return url


def tenant_headers(tenant: str) -> dict[str, str]:
    """Return what says whose traces are asked for; nothing for the one tenant of a server without tenants."""
    return {TENANT_HEADER: tenant} if tenant else {}
