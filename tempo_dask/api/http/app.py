"""The Tornado application: all routes, behind the prefix of the API where one is set."""

from __future__ import annotations

import posixpath
import re
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application

from tempo_dask.api.contracts import Api
from tempo_dask.api.http import explain, mcp, metrics, operations, overrides, pprof, search, status, tags, traces
from tempo_dask.api.http.handler import TempoHandler, Tenants, tell_of_query
from tempo_dask.api.http.server import TwoProtocolServer

_QUERIES = (traces, search, tags, explain, metrics, mcp)
_MODULES = (*_QUERIES, operations, overrides, pprof, status)
_TENANTS: Mapping[ModuleType, Tenants] = {**dict.fromkeys(_QUERIES, "many"), overrides: "one"}
_OPEN_PATHS = frozenset({"/ready"})  # what orchestrators probe
_MIB = 1 << 20


class CleanPathHandler(TempoHandler):
    """Sends a path with doubled slashes or dot parts on to the clean one."""

    async def answer(self, *_path: str) -> None:
        """Redirect, keeping the query string."""
        path = clean_path(self.request.path)
        self.set_header("Location", f"{path}?{self.request.query}" if self.request.query else path)
        self.say_nothing(HTTPStatus.MOVED_PERMANENTLY)


def clean_path(path: str) -> str:
    """Return a path without empty and dot parts; a slash at its end stays."""
    clean = "/" + posixpath.normpath(path).lstrip("/")
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def make_app(api: Api) -> Application:
    """Return the application that answers queries and operators."""
    shared: dict[str, Any] = {"api": api}
    found = [
        (
            re.escape(api.prefix) + path if path.startswith("/api/") else path,
            handler,
            {**shared, "tenants": _TENANTS.get(module, "none"), "is_open": path in _OPEN_PATHS},
        )
        for module in _MODULES
        if api.has_queries or module not in _QUERIES
        for path, handler in module.routes
    ]
    unclean = (r".*(?://|/\.{1,2}(?:/|$)).*", CleanPathHandler, shared)
    return Application(
        [unclean, *found],
        default_handler_class=TempoHandler,
        default_handler_args=shared,
        log_function=tell_of_query,
    )


def make_server(
    app: Application,
    *,
    tls: ssl.SSLContext | None = None,
    http2_path: Path | None = None,
    read_timeout_s: float = 30.0,
    idle_timeout_s: float = 120.0,
) -> HTTPServer:
    """Return a server; queries come in the URL, so heads may be long and bodies are short."""
    return TwoProtocolServer(
        app,
        ssl_options=tls,
        http2_path=http2_path,
        idle_connection_timeout=idle_timeout_s,
        body_timeout=read_timeout_s,
        max_header_size=_MIB,
        max_body_size=_MIB,
        xheaders=False,
    )
