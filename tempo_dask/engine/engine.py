"""The engine: one verb for each thing that can be asked. HTTP, gRPC and the notebook all enter here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from tempo_dask.engine.executors import Executor
from tempo_dask.engine.explain import Explanation, explain
from tempo_dask.engine.metrics import query_range, stream_range
from tempo_dask.engine.query import Bounds, RunningQuery
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
    RangeResult,
    SearchResult,
    TagNamesResult,
    TagValuesResult,
    TraceResult,
)
from tempo_dask.engine.search import search, stream_search
from tempo_dask.engine.sources import SnapshotProvider
from tempo_dask.engine.tag_names import find_tag_names, stream_tag_names
from tempo_dask.engine.tag_values import (
    find_key_values,
    find_tag_values,
    stream_key_values,
    stream_tag_values,
)
from tempo_dask.engine.traces import find_trace

Request: TypeAlias = SearchRequest | TraceRequest | RangeRequest | TagNamesRequest | KeyValuesRequest | TagValuesRequest
Result = TypeVar(
    "Result", SearchResult, TraceResult, RangeResult, TagNamesResult, KeyValuesResult, TagValuesResult, Explanation
)


@dataclass(frozen=True, slots=True)
class Engine:
    """Answers queries over the sources of a provider, computed by an executor, within bounds.

    Raises `traceql.TraceQLError` where a query does not parse or is not valid, `QueryFailed` or `BadRequest` where it
    cannot be answered, `TooManyRequests` and `DeadlineExceeded` beyond the bounds. A verb that is cancelled stops its
    work. What a streaming verb yields makes the whole answer, nothing of it twice; its metrics are those so far.
    """

    sources: SnapshotProvider
    executor: Executor
    bounds: Bounds = field(default_factory=Bounds)

    async def search(self, request: SearchRequest) -> SearchResult:
        """Return the newest traces with a match."""
        async with self._query(request) as query:
            return self._billed(await search(request, self.sources, query), request, query)

    async def stream_search(self, request: SearchRequest) -> AsyncIterator[SearchResult]:
        """Yield the traces of `search` in its order, each when it is sure that it belongs to the answer."""
        async with self._query(request) as query:
            async for part in stream_search(request, self.sources, query):
                yield self._billed(part, request, query)

    async def trace(self, request: TraceRequest) -> TraceResult:
        """Return all spans of one trace."""
        async with self._query(request) as query:
            found = self._billed(await find_trace(request, self.sources, query), request, query)
            return replace(found, message=found.metrics.partial)

    async def query_range(self, request: RangeRequest) -> RangeResult:
        """Return samples per interval of a metrics query."""
        async with self._query(request) as query:
            found = self._billed(await query_range(request, self.sources, query), request, query)
            return replace(found, message=found.message or found.metrics.partial)

    async def stream_range(self, request: RangeRequest) -> AsyncIterator[RangeResult]:
        """Yield samples of `query_range`, the newest intervals first; each result has those before it too."""
        async with self._query(request) as query:
            async for part in stream_range(request, self.sources, query):
                found = self._billed(part, request, query)
                yield replace(found, message=found.message or found.metrics.partial)

    async def tag_names(self, request: TagNamesRequest) -> TagNamesResult:
        """Return the keys of attributes by scope."""
        async with self._query(request) as query:
            return self._billed(await find_tag_names(request, self.sources, query), request, query)

    async def stream_tag_names(self, request: TagNamesRequest) -> AsyncIterator[TagNamesResult]:
        """Yield the keys of `tag_names` as they are found."""
        async with self._query(request) as query:
            async for part in stream_tag_names(request, self.sources, query):
                yield self._billed(part, request, query)

    async def key_values(self, request: KeyValuesRequest) -> KeyValuesResult:
        """Return the values of a plain key as text."""
        async with self._query(request) as query:
            return self._billed(await find_key_values(request, self.sources, query), request, query)

    async def stream_key_values(self, request: KeyValuesRequest) -> AsyncIterator[KeyValuesResult]:
        """Yield the values of `key_values` as they are found."""
        async with self._query(request) as query:
            async for part in stream_key_values(request, self.sources, query):
                yield self._billed(part, request, query)

    async def tag_values(self, request: TagValuesRequest) -> TagValuesResult:
        """Return the typed values of an attribute."""
        async with self._query(request) as query:
            return self._billed(await find_tag_values(request, self.sources, query), request, query)

    async def stream_tag_values(self, request: TagValuesRequest) -> AsyncIterator[TagValuesResult]:
        """Yield the values of `tag_values` as they are found."""
        async with self._query(request) as query:
            async for part in stream_tag_values(request, self.sources, query):
                yield self._billed(part, request, query)

    async def explain(self, request: SearchRequest) -> Explanation:
        """Answer a search with how it is answered."""
        async with self._query(request) as query:
            return self._billed(await explain(request, self.sources, query), request, query)

    def _query(self, request: Request) -> AbstractAsyncContextManager[RunningQuery]:
        return self.bounds.query(request.tenant, self.executor)

    def _billed(self, result: Result, request: Request, query: RunningQuery) -> Result:
        """Return a result with what it has cost, and why it is partial, if it is."""
        return replace(result, metrics=query.billed(result.metrics, self.sources.set_aside(request.tenant)))
