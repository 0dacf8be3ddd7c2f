"""The engine: one verb for each thing that can be asked. HTTP, gRPC and the notebook all enter here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from tempo_dask.engine.executors import Executor
from tempo_dask.engine.metrics import query_range
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


@dataclass(frozen=True, slots=True)
class Engine:
    """Answers queries over the sources of a provider, computed by an executor.

    Raises `traceql.TraceQLError` where a query does not parse or is not valid, and `QueryFailed` or `BadRequest`
    where it cannot be answered.
    """

    sources: SnapshotProvider
    executor: Executor

    async def search(self, request: SearchRequest) -> SearchResult:
        """Return the newest traces with a match."""
        return await search(request, self.sources, self.executor)

    async def trace(self, request: TraceRequest) -> TraceResult:
        """Return all spans of one trace."""
        return await find_trace(request, self.sources, self.executor)

    async def query_range(self, request: RangeRequest) -> RangeResult:
        """Return samples per interval of a metrics query."""
        return await query_range(request, self.sources, self.executor)

    async def tag_names(self, request: TagNamesRequest) -> TagNamesResult:
        """Return the keys of attributes by scope."""
        return await find_tag_names(request, self.sources, self.executor)

    async def key_values(self, request: KeyValuesRequest) -> KeyValuesResult:
        """Return the values of a plain key as text."""
        return await find_key_values(request, self.sources, self.executor)

    async def tag_values(self, request: TagValuesRequest) -> TagValuesResult:
        """Return the typed values of an attribute."""
        return await find_tag_values(request, self.sources, self.executor)

    def stream_search(self, request: SearchRequest) -> AsyncIterator[SearchResult]:
        """Yield the traces of `search` in its order, each once, when it is sure that it belongs to the answer."""
        return stream_search(request, self.sources, self.executor)

    def stream_tag_names(self, request: TagNamesRequest) -> AsyncIterator[TagNamesResult]:
        """Yield the keys of `tag_names` as they are found, each once."""
        return stream_tag_names(request, self.sources, self.executor)

    def stream_key_values(self, request: KeyValuesRequest) -> AsyncIterator[KeyValuesResult]:
        """Yield the values of `key_values` as they are found, each once."""
        return stream_key_values(request, self.sources, self.executor)

    def stream_tag_values(self, request: TagValuesRequest) -> AsyncIterator[TagValuesResult]:
        """Yield the values of `tag_values` as they are found, each once."""
        return stream_tag_values(request, self.sources, self.executor)
