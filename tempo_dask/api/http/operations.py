"""Paths for operators and health checks."""

from __future__ import annotations

import asyncio
import platform
from http import HTTPStatus

import orjson

from tempo_dask.api.http.handler import JSON, GetHandler, TempoHandler
from tempo_dask.errors import NotFound


class EchoHandler(TempoHandler):
    """What Grafana tests a data source with."""

    route = "api_echo"

    async def answer(self, *_path: str) -> None:
        """Answer `echo`."""
        self.say("echo\n")


class BuildInfoHandler(GetHandler):
    """What Grafana decides features by."""

    route = "api_status_buildinfo"

    async def answer(self, *_path: str) -> None:
        """Answer the version."""
        info = {
            "version": self.api.version,
            "revision": "",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": f"python{platform.python_version()}",
        }
        self.say(orjson.dumps(info).decode() + "\n", JSON)


class ReadyHandler(TempoHandler):
    """Whether the service takes requests."""

    route = "ready"

    async def answer(self, *_path: str) -> None:
        """Answer `ready`, or why not."""
        reason = self.api.operations.not_ready()
        if reason is None:
            self.say("ready\n")
        else:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, reason)


class MetricsHandler(GetHandler):
    """What Prometheus scrapes."""

    route = "metrics"

    async def answer(self, *_path: str) -> None:
        """Answer all metrics; those of many tenants take seconds, and nobody waits for them meanwhile."""
        accept = self.request.headers.get("Accept", "")
        body, content_type = await asyncio.to_thread(self.api.operations.metrics, accept)
        await self.reply(content_type, lambda: body)


class FlushHandler(TempoHandler):
    """Makes blocks of what is in memory."""

    route = "flush"

    async def answer(self, *_path: str) -> None:
        """Answer when the blocks are there; 404 for an unknown `tenant`."""
        try:
            await self.api.operations.flush(self.arguments.text("tenant") or None)
        except NotFound:
            self.say_nothing(HTTPStatus.NOT_FOUND)
        else:
            self.say_nothing(HTTPStatus.NO_CONTENT)


class ShutdownHandler(TempoHandler):
    """Stops taking spans in."""

    route = "shutdown"

    async def answer(self, *_path: str) -> None:
        """Answer when all spans are in blocks."""
        await self.api.operations.shutdown()
        self.say("shutdown job acknowledged")


routes = [
    (r"/api/echo", EchoHandler),
    (r"/api/status/buildinfo", BuildInfoHandler),
    (r"/ready", ReadyHandler),
    (r"/metrics", MetricsHandler),
    (r"/flush", FlushHandler),
    (r"/shutdown", ShutdownHandler),
]
