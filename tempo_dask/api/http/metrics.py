"""`/api/metrics/query_range`, `/api/metrics/query` and `/api/metrics/summary`, which always answer JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from tempo_dask.api.decode_metrics import decode_query_instant, decode_query_range
from tempo_dask.api.decode_summary import decode_summary
from tempo_dask.api.encode_metrics import encode_query_instant, encode_query_range
from tempo_dask.api.encode_summary import Summary, encode_summary
from tempo_dask.api.http.handler import JSON, TempoHandler
from tempo_dask.engine.requests import RangeRequest


class QueryRangeHandler(TempoHandler):
    """Series over time."""

    route = "api_metrics_query_range"

    async def answer(self, *_path: str) -> None:
        """Answer samples per interval."""
        request = decode_query_range(self.arguments, self.api.tenant, self.api.now_ns(), self.api.limits)
        result = await self.ask(self.api.engine.query_range(request))
        await self.reply(JSON, partial(encode_query_range, result))


class QueryInstantHandler(TempoHandler):
    """One value per series."""

    route = "api_metrics_query"

    async def answer(self, *_path: str) -> None:
        """Answer one value per series over the whole window."""
        request = decode_query_instant(self.arguments, self.api.tenant, self.api.now_ns(), self.api.limits)
        result = await self.ask(self.api.engine.query_range(request))
        await self.reply(JSON, partial(encode_query_instant, result))


class SummaryHandler(TempoHandler):
    """Spans, errors and durations by group."""

    route = "api_metrics_summary"

    async def answer(self, *_path: str) -> None:
        """Answer a row for each group."""
        asked = decode_summary(self.arguments, self.api.tenant, self.api.now_ns(), self.api.limits)
        found = await self.ask(self._summary(asked))
        await self.reply(JSON, partial(encode_summary, found))

    async def _summary(self, asked: Sequence[RangeRequest]) -> Summary:
        return Summary(*await asyncio.gather(*map(self.api.engine.query_range, asked)))


routes = [
    (r"/api/metrics/query_range", QueryRangeHandler),
    (r"/api/metrics/query", QueryInstantHandler),
    (r"/api/metrics/summary", SummaryHandler),
]
