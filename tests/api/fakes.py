"""An engine that remembers what it was asked and answers what it was given."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from tempo_dask.engine.explain import Explanation
from tempo_dask.engine.requests import (
    KeyValuesRequest,
    RangeRequest,
    SearchRequest,
    TagNamesRequest,
    TagValuesRequest,
    TraceRequest,
)
from tempo_dask.engine.results import (
    KeyValuesResult,
    QueryMetrics,
    RangeResult,
    SearchResult,
    TagNamesResult,
    TagValuesResult,
    TraceResult,
)
from tempo_dask.errors import NotFound

NO_TRACES = SearchResult((), QueryMetrics())
NO_TRACE = TraceResult(None, QueryMetrics())
NO_SERIES = RangeResult(np.array([], dtype=np.int64), (), QueryMetrics())

NO_NAMES = TagNamesResult({}, QueryMetrics())
NO_TEXTS = KeyValuesResult((), QueryMetrics())
NO_VALUES = TagValuesResult((), QueryMetrics())

Request: TypeAlias = SearchRequest | TraceRequest | RangeRequest | TagNamesRequest | KeyValuesRequest | TagValuesRequest


@dataclass
class FakeEngine:
    asked: list[Request] = field(default_factory=list)
    found: SearchResult = NO_TRACES
    one: TraceResult = NO_TRACE
    series: RangeResult = NO_SERIES
    names: TagNamesResult = NO_NAMES
    texts: KeyValuesResult = NO_TEXTS
    values: TagValuesResult = NO_VALUES
    parts: list[Any] = field(default_factory=list)  # of a stream; else it is the whole answer
    error: Exception | None = None
    takes_for_ever: bool = False
    started: asyncio.Event = field(default_factory=asyncio.Event)
    was_cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def search(self, request: SearchRequest) -> SearchResult:
        await self._note(request)
        return self.found

    async def explain(self, request: SearchRequest) -> Explanation:
        await self._note(request)
        return Explanation(request.query, ("{ }",), (), {"match": 0.25}, {}, 3, 0, QueryMetrics())

    async def trace(self, request: TraceRequest) -> TraceResult:
        await self._note(request)
        return self.one

    async def query_range(self, request: RangeRequest) -> RangeResult:
        await self._note(request)
        return self.series

    async def tag_names(self, request: TagNamesRequest) -> TagNamesResult:
        await self._note(request)
        return self.names

    async def key_values(self, request: KeyValuesRequest) -> KeyValuesResult:
        await self._note(request)
        return self.texts

    async def tag_values(self, request: TagValuesRequest) -> TagValuesResult:
        await self._note(request)
        return self.values

    async def stream_search(self, request: SearchRequest) -> AsyncIterator[SearchResult]:
        await self._note(request)
        for part in self.parts or [self.found]:
            yield part

    async def stream_range(self, request: RangeRequest) -> AsyncIterator[RangeResult]:
        await self._note(request)
        for part in self.parts or [self.series]:
            yield part

    async def stream_tag_names(self, request: TagNamesRequest) -> AsyncIterator[TagNamesResult]:
        await self._note(request)
        for part in self.parts or [self.names]:
            yield part

    async def stream_key_values(self, request: KeyValuesRequest) -> AsyncIterator[KeyValuesResult]:
        await self._note(request)
        for part in self.parts or [self.texts]:
            yield part

    async def stream_tag_values(self, request: TagValuesRequest) -> AsyncIterator[TagValuesResult]:
        await self._note(request)
        for part in self.parts or [self.values]:
            yield part

    async def _note(self, request: Request) -> None:
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
    counted_by: int = 0  # the thread that made the metrics

    def not_ready(self) -> str | None:
        return self.reason

    def metrics(self, accept: str) -> tuple[bytes, str]:
        self.counted_by = threading.get_ident()
        return f"# accept {accept}\n".encode() * 100, "text/plain; version=0.0.4; charset=utf-8"

    async def flush(self, tenant: str | None) -> None:
        if tenant == "nobody":
            raise NotFound(tenant)
        self.flushed.append(tenant)

    async def shutdown(self) -> None:
        self.is_shut_down = True
