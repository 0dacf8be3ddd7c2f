"""A server that is asked: over one connection that is kept, one question at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tempo_dask.errors import BadRequest, Unavailable

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server with Tempo's HTTP API; `name` is what results call it, `tenant` goes into `X-Scope-OrgID`."""

    name: str
    url: str
    tenant: str = ""

    @classmethod
    def read(cls, text: str, tenant: str = "") -> Target:
        """Return what `[NAME=]URL` says; without a name it is called by its host and port. Raises BadRequest."""
        name, equals, url = text.partition("=")
        if not equals or "://" in name:
            name, url = "", text
        url = url.rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadRequest(f"expected [NAME=]http://HOST:PORT, found {text!r}")
        return cls(name or parts.netloc, url, tenant)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long until all of it had: seconds."""

    status: int
    body: bytes
    seconds: float


@dataclass(slots=True)
class Asking:
    """A connection to a target. Use as a context manager."""

    target: Target
    timeout_s: float = TIMEOUT_S
    _connection: HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target.url)
        make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = make(parts.hostname or "", parts.port, timeout=self.timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def ask(self, path: str, method: str = "GET") -> Answer:
        """Ask the server for a path. Raises Unavailable where no answer comes within the time."""
        headers = {"X-Scope-OrgID": self.target.tenant} if self.target.tenant else {}
        started = time.perf_counter()
        try:
            self._connection.request(method, urlsplit(self.target.url).path + path, headers=headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            self._connection.close()  # the next question opens it anew
            reason = str(error) or type(error).__name__
            raise Unavailable(f"no answer from {self.target.url}: {reason}") from error
        return Answer(response.status, body, time.perf_counter() - started)
