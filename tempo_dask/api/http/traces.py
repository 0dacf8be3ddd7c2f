"""`/api/traces/{id}` and `/api/v2/traces/{id}`."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from tempo_dask.api.decode_trace import decode_trace
from tempo_dask.api.encode_llm import encode_trace_llm
from tempo_dask.api.encode_trace import (
    encode_trace_json,
    encode_trace_protobuf,
    encode_trace_response_json,
    encode_trace_response_protobuf,
)
from tempo_dask.api.http.handler import JSON, LLM, PROTOBUF, TempoHandler


class TraceHandler(TempoHandler):
    """The first version: a bare trace, 404 where there is none."""

    route = "api_traces_traceid"

    async def answer(self, *path: str) -> None:
        """Answer one trace."""
        result = await self.ask(self.api.engine.trace(decode_trace(path[0], self.arguments, self.api.tenant)))
        if result.tables is None:
            self.say_nothing(HTTPStatus.NOT_FOUND)
        elif self.shape == "protobuf":
            await self.reply(PROTOBUF, partial(encode_trace_protobuf, result.tables))
        else:
            await self.reply(JSON, partial(encode_trace_json, result.tables))


class TraceV2Handler(TempoHandler):
    """The second version: always 200, the trace beside what the query cost."""

    route = "api_v2_traces_traceid"

    async def answer(self, *path: str) -> None:
        """Answer one trace, empty where there is none."""
        result = await self.ask(self.api.engine.trace(decode_trace(path[0], self.arguments, self.api.tenant)))
        match self.shape:
            case "protobuf":
                await self.reply(PROTOBUF, partial(encode_trace_response_protobuf, result))
            case "llm":
                await self.reply(LLM, partial(encode_trace_llm, result))
            case _:
                await self.reply(JSON, partial(encode_trace_response_json, result))


routes = [(r"/api/traces/([^/]+)", TraceHandler), (r"/api/v2/traces/([^/]+)", TraceV2Handler)]
