"""`/api/traces/{id}` and `/api/v2/traces/{id}`."""

from __future__ import annotations

import asyncio
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
from tempo_dask.api.trace_size import cut_to_fit, require_fitting


class TraceHandler(TempoHandler):
    """The first version: a bare trace, 404 where there is none."""

    route = "api_traces_traceid"

    async def answer(self, *path: str) -> None:
        """Answer one trace."""
        result = await self.ask(self.api.engine.trace(decode_trace(path[0], self.arguments, self.api.tenant)))
        await asyncio.to_thread(require_fitting, result, self.api.limits.max_trace_bytes)
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
        found = await self.ask(self.api.engine.trace(decode_trace(path[0], self.arguments, self.api.tenant)))
        result = await asyncio.to_thread(cut_to_fit, found, self.api.limits.max_trace_bytes)
        match self.shape:
            case "protobuf":
                await self.reply(PROTOBUF, partial(encode_trace_response_protobuf, result))
            case "llm":
                await self.reply(LLM, partial(encode_trace_llm, result))
            case _:
                await self.reply(JSON, partial(encode_trace_response_json, result))


# Below `/querier` Tempo answers for one process, to look into it; here one process answers for all.
routes = [
    (prefix + path, handler)
    for prefix in ("", "/querier")
    for path, handler in ((r"/api/traces/([^/]+)", TraceHandler), (r"/api/v2/traces/([^/]+)", TraceV2Handler))
]
