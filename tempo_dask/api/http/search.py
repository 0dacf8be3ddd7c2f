"""`/api/search`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_search import decode_search
from tempo_dask.api.encode_search import encode_search_json, encode_search_protobuf
from tempo_dask.api.http.handler import JSON, PROTOBUF, TempoHandler
from tempo_dask.api.limits import RequestLimits

_LAST_S = 2**31 - 1


class SearchHandler(TempoHandler):
    """Traces that match a query."""

    route = "api_search"

    async def answer(self, *_path: str) -> None:
        """Answer matching traces."""
        request = decode_search(self.arguments, self.api.tenant, self.api.now_ns(), self.limits)
        result = await self.ask(self.api.engine.search(request))
        if self.shape == "protobuf":
            await self.reply(PROTOBUF, partial(encode_search_protobuf, result))
        else:
            await self.reply(JSON, partial(encode_search_json, result))

    @property
    def limits(self) -> RequestLimits:
        """The bounds of a request."""
        return self.api.limits


class QuerierSearchHandler(SearchHandler):
    """The same for those who look into one process: without a window all times are searched."""

    route = "querier_api_search"

    @property
    def arguments(self) -> Arguments:
        """The parameters; where no window is given, one from the first second to the last."""
        asked = self.request.query_arguments
        if asked.keys() & {"start", "end", "since"}:
            return super().arguments
        return Arguments.of_lists({**asked, "start": [b"0"], "end": [str(_LAST_S).encode()]})

    @property
    def limits(self) -> RequestLimits:
        """The bounds of a request, without one for the window."""
        return replace(self.api.limits, max_search_ns=0)


routes = [(r"/api/search", SearchHandler), (r"/querier/api/search", QuerierSearchHandler)]
