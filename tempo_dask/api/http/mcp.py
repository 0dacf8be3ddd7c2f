"""`/api/mcp`: the Model Context Protocol over HTTP, one JSON object in and one out."""

from __future__ import annotations

import asyncio
import re
import uuid
from http import HTTPStatus

import orjson

from tempo_dask.api.http.handler import JSON, TempoHandler
from tempo_dask.api.mcp.protocol import BAD_JSON, answer

_SESSION = "Mcp-Session-Id"
_PREFIX = "mcp-session-"
#: A session is its id alone, so any process takes it and none remembers it.
_ID = re.compile(_PREFIX + r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEEP_ALIVE_S = 15.0


class McpHandler(TempoHandler):
    """Tools and documents for language models."""

    route = "api_mcp"

    async def answer(self, *_path: str) -> None:
        """Answer a message; without the feature there is no such path."""
        if not self.api.has_mcp:
            self.refuse(HTTPStatus.NOT_FOUND, "404 page not found")
        elif self.request.method == "POST":
            await self._post()
        elif self.request.method == "DELETE":
            self.say_nothing(HTTPStatus.OK)
        elif self.request.method == "GET":
            await self._listen()
        else:
            self.say_nothing(HTTPStatus.METHOD_NOT_ALLOWED)

    async def _post(self) -> None:
        if self.request.headers.get("Content-Type", "").partition(";")[0].strip() != JSON:
            self.refuse(HTTPStatus.BAD_REQUEST, "Invalid content type: must be 'application/json'\n")
            return
        try:
            message = orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            self.set_status(HTTPStatus.BAD_REQUEST)
            self.say(orjson.dumps(BAD_JSON).decode() + "\n", JSON)
            return
        session = self.request.headers.get(_SESSION, "")
        if session and not _ID.fullmatch(session):
            self.refuse(HTTPStatus.BAD_REQUEST, "Invalid session ID\n")
            return
        if "id" not in message:  # a notification
            self.say_nothing(HTTPStatus.ACCEPTED)
            return
        if message.get("method") == "initialize":
            self.set_header(_SESSION, f"{_PREFIX}{uuid.uuid4()}")
        found = await answer(self.api, message)
        self.say(orjson.dumps(found).decode() + "\n", JSON)

    async def _listen(self) -> None:
        """Hold a stream of events open; there is nothing to tell of."""
        self.set_header("Content-Type", "text/event-stream")
        while True:
            self.write(": nothing yet\n\n")
            await self.flush()
            await asyncio.sleep(_KEEP_ALIVE_S)


routes = [(r"/api/mcp", McpHandler)]
