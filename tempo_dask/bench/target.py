"""A server that is asked, as results know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from tempo_dask.errors import BadRequest
from tempo_dask.tempo_client import TIMEOUT_S, Connection, tenant_headers


@dataclass(frozen=True, slots=True)
class Target:
    """A server with Tempo's HTTP API; `name` is what results call it, `tenant` goes into `X-Scope-OrgID`."""

    name: str
    url: str
    tenant: str = ""

    @classmethod
    def read(cls, text: str, tenant: str = "") -> Self:
        """Return what `[NAME=]URL` says; without a name it is called by its host and port. Raises BadRequest."""
        name, equals, url = text.partition("=")
        if not equals or "://" in name:
            name, url = "", text
        url = url.rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadRequest(f"expected [NAME=]http://HOST:PORT, found {text!r}")
        return cls(name or parts.netloc, url, tenant)

    def connected(self, timeout_s: float = TIMEOUT_S) -> Connection:
        """Return a connection that is kept."""
        return Connection(self.url, tenant_headers(self.tenant), timeout_s)
