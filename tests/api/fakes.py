"""An engine that remembers what it was asked and answers what it was given."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from tempo_dask.engine.requests import RangeRequest, SearchRequest, TraceRequest
from tempo_dask.engine.results import QueryMetrics, RangeResult, SearchResult, TraceResult
from tempo_dask.errors import NotFound

NO_TRACES = SearchResult((), QueryMetrics())
NO_TRACE = TraceResult(None, QueryMetrics())
NO_SERIES = RangeResult(np.array([], dtype=np.int64), (), QueryMetrics())


@dataclass
class FakeEngine:
    asked: list[SearchRequest | TraceRequest | RangeRequest] = field(default_factory=list)
    found: SearchResult = NO_TRACES
    one: TraceResult = NO_TRACE
    series: RangeResult = NO_SERIES
    error: Exception | None = None
    takes_for_ever: bool = False
    started: asyncio.Event = field(default_factory=asyncio.Event)
    was_cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def search(self, request: SearchRequest) -> SearchResult:
        await self._note(request)
        return self.found

    async def trace(self, request: TraceRequest) -> TraceResult:
        await self._note(request)
        return self.one

    async def query_range(self, request: RangeRequest) -> RangeResult:
        await self._note(request)
        return self.series

    async def _note(self, request: SearchRequest | TraceRequest | RangeRequest) -> None:
        self.asked.append(request)
        self.started.set()
        if self.error is not None:
            raise self.error
        if self.takes_for_ever:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.was_cancelled.set()
                raise


@dataclass
class FakeOperations:
    reason: str | None = None
    flushed: list[str | None] = field(default_factory=list)
    is_shut_down: bool = False

    def not_ready(self) -> str | None:
        return self.reason

    def metrics(self, accept: str) -> tuple[bytes, str]:
        return f"# accept {accept}\n".encode() * 100, "text/plain; version=0.0.4; charset=utf-8"

    async def flush(self, tenant: str | None) -> None:
        if tenant == "nobody":
            raise NotFound(tenant)
        self.flushed.append(tenant)

    async def shutdown(self) -> None:
        self.is_shut_down = True
