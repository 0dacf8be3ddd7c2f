"""`/api/explain`: the parameters of a search, answered with how it is done."""

from __future__ import annotations

from functools import partial

from tempo_dask.api.decode_search import decode_search
from tempo_dask.api.encode_explain import encode_explanation
from tempo_dask.api.http.handler import JSON, TempoHandler


class ExplainHandler(TempoHandler):
    """The plan of a search, what it prunes and reads, and where its time goes."""

    route = "api_explain"

    async def answer(self, *_path: str) -> None:
        """Run the search, and answer how that went."""
        request = decode_search(self.arguments, self.api.tenant, self.api.now_ns(), self.api.limits)
        found = await self.ask(self.api.engine.explain(request))
        await self.reply(JSON, partial(encode_explanation, found))


routes = [(r"/api/explain", ExplainHandler)]
