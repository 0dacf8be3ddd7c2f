"""The HTTP API over a fake engine, on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from tempo_dask.api.contracts import Answered, Api
from tempo_dask.api.http.app import make_app, make_server
from tests.api.fakes import FakeEngine, FakeOperations

NOW_NS = 1_700_000_000_000_000_000


@dataclass
class Observed:
    """Remembers what was answered, and what runs."""

    answered: list[Answered] = field(default_factory=list)
    running: list[tuple[str, str]] = field(default_factory=list)

    def began(self, method: str, route: str) -> None:
        self.running.append((method, route))

    def ended(self, answered: Answered) -> None:
        self.running.remove((answered.method, answered.route))
        self.answered.append(answered)

    def called(self, tool: str) -> None:
        raise AssertionError(tool)


@dataclass
class Served:
    """A server in this loop, and what it was asked."""

    engine: FakeEngine = field(default_factory=FakeEngine)
    operations: FakeOperations = field(default_factory=FakeOperations)
    observer: Observed = field(default_factory=Observed)
    prefix: str = ""
    port: int = 0
    options: dict[str, Any] = field(default_factory=dict)  # of the Api

    @property
    def observed(self) -> list[tuple[str, str, int]]:
        """Method, route and status of what was answered."""
        return [(one.method, one.route, one.status) for one in self.observer.answered]

    @property
    def api(self) -> Api:
        return Api(
            self.engine,
            self.operations,
            observer=self.observer,
            now_ns=lambda: NOW_NS,
            prefix=self.prefix,
            version="1.2.3",
            **self.options,
        )

    def listen(self) -> HTTPServer:
        server = make_server(make_app(self.api))
        socket, self.port = bind_unused_port()
        server.add_socket(socket)
        return server

    async def fetch(self, path: str, method: str = "GET", **options: Any) -> HTTPResponse:
        options = {"follow_redirects": False, "allow_nonstandard_methods": True, "decompress_response": False} | options
        url = f"http://127.0.0.1:{self.port}{path}"
        return await AsyncHTTPClient().fetch(url, method=method, raise_error=False, **options)


@asynccontextmanager
async def serving(served: Served) -> AsyncIterator[Served]:
    server = served.listen()
    yield served
    server.stop()
    await server.close_all_connections()
    AsyncHTTPClient().close()


@pytest.fixture
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """Serve the API; an indirect parameter is the prefix."""
    async with serving(Served(prefix=getattr(request, "param", ""))) as found:
        yield found
