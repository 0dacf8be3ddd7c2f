"""`/api/search`."""

from __future__ import annotations

from functools import partial

from tempo_dask.api.decode_search import decode_search
from tempo_dask.api.encode_search import encode_search_json, encode_search_protobuf
from tempo_dask.api.http.handler import JSON, PROTOBUF, TempoHandler


class SearchHandler(TempoHandler):
    """Traces that match a query."""

    route = "api_search"

    async def answer(self, *_path: str) -> None:
        """Answer matching traces."""
        request = decode_search(self.arguments, self.api.tenant, self.api.now_ns(), self.api.limits)
        result = await self.ask(self.api.engine.search(request))
        if self.shape == "protobuf":
            await self.reply(PROTOBUF, partial(encode_search_protobuf, result))
        else:
            await self.reply(JSON, partial(encode_search_json, result))


routes = [(r"/api/search", SearchHandler)]
