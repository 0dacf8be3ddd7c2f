"""Questions to Tempo's HTTP API, and what went wrong with them in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from tempo_dask.errors import BadRequest, NotFound, QueryFailed, TempoDaskError, Unauthorized, Unavailable

TIMEOUT_S = 120.0
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
class TempoApi:
    """A server that speaks Tempo's API at `url`, with a prefix of the path where it has one.

    `headers` go with every question: credentials, and `X-Scope-OrgID` where the server has tenants.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = f"expected the address of a query API such as http://127.0.0.1:3200, found {self.url!r}"
            raise BadRequest(msg)

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
        parts = urlsplit(self.url)
        make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = make(parts.hostname or "", parts.port, timeout=self.timeout_s)
        query = f"?{urlencode(parameters)}" if parameters else ""
        try:
            asked = f"{parts.path.rstrip('/')}{quote(path)}{query}"
            connection.request("GET", asked, headers={"Accept": accept, **self.headers})
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException) as error:
            msg = f"no answer from {self.url}: {str(error) or type(error).__name__}"
            raise Unavailable(msg) from error
        finally:
            connection.close()
        if response.status != 200:
            text = body.decode(errors="replace").strip()[:_SHOWN_CHARACTERS]
            msg = f"{self.url}{path} answered {response.status}{f': {text}' if text else ''}"
            raise _KINDS.get(response.status, QueryFailed)(msg)
        return body
