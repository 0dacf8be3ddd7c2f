"""A store behind Tempo's HTTP API: the verbs of an opened one, answered by a server."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import dask.dataframe as dd
import numpy as np
import pandas as pd
import xarray as xr

from storage.merge import merge
from tempo_dask.engine.explain import Explanation
from tempo_dask.errors import NotFound, QueryFailed
from tempo_dask.kernels import otlp
from tempo_dask.notebook.answers import explanation, found_trace, instant_series, range_series
from tempo_dask.notebook.api_spans import api_spans
from tempo_dask.notebook.compared import compared_table, comparing
from tempo_dask.notebook.explained import Explained
from tempo_dask.notebook.tables import labelled, traces_table
from tempo_dask.notebook.times import Moment, nanoseconds, steps
from tempo_dask.notebook.trace import Trace
from tempo_dask.tempo_client import TIMEOUT_S, TempoApi, tenant_headers
from traceql import parse, require_valid

SECOND_NS = 10**9
HOUR_NS = 3_600 * SECOND_NS


@dataclass(frozen=True, slots=True)
class ApiStore:
    """Traces behind a server with Tempo's API, what it has in memory included.

    The verbs are those of `Store`. Without `end` a window ends now, without `start` it is an hour long. A server has
    limits (Tempo searches a week at most, and computes metrics over three hours); where one is met its words are the
    error: BadRequest, NotFound, Unavailable or QueryFailed. A query that is none raises traceql.TraceQLError.
    """

    api: TempoApi

    def spans(
        self,
        query: str = "{ }",
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        columns: Sequence[str] | None = None,
    ) -> dd.DataFrame:
        """Return the spans that match as a lazy Dask dataframe, with the columns that `Store.spans` would give.

        The search endpoint shows at most 100 spans of a trace: where more match, computing raises QueryFailed. It
        names attributes without their scope, so one frame cannot have `span.x` and `resource.x`.
        """
        start_ns, end_ns = _window(start, end)
        return api_spans(self.api, query, start_ns // SECOND_NS, -(-end_ns // SECOND_NS), columns)

    def search(
        self, query: str = "{ }", *, start: Moment | None = None, end: Moment | None = None, limit: int = 20
    ) -> pd.DataFrame:
        """Return at most `limit` traces with a match, newest first, a row each (see `tables.TRACE_COLUMNS`).

        Tempo stops at the first it finds unless the query ends in `with (most_recent=true)`. Durations are known in
        whole milliseconds.
        """
        _check(query)
        answer = self.api.json("/api/search", q=query, limit=limit, spss=1, **_seconds(start, end))
        return traces_table([found_trace(tree) for tree in answer.get("traces") or ()])

    def metrics(
        self,
        query: str,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        step: timedelta | None = None,
    ) -> xr.DataArray:
        """Return samples as an array (series x time); rates are per second, durations seconds, as `Store.metrics`."""
        _check(query)
        first_ns, last_ns = _window(start, end)
        start_ns, end_ns, step_ns = steps(first_ns - 1, last_ns, step)
        answer = self.api.json(
            "/api/metrics/query_range", q=query, start=start_ns, end=end_ns, step=f"{step_ns / SECOND_NS:.9g}"
        )
        times_ns = np.arange(start_ns + step_ns, end_ns + 1, step_ns, dtype=np.int64)
        series = range_series(answer.get("series") or (), times_ns)
        values = np.stack([one.values for one in series]) if series else np.zeros((0, len(times_ns)))
        return labelled(query, times_ns, [one.labels for one in series], values, answer.get("message", ""))

    def compare(
        self,
        selection: str,
        query: str = "{ }",
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        top: int = 10,
    ) -> pd.DataFrame:
        """Return what sets the spans of `selection` apart from the other spans of `query`, the greatest first."""
        text = comparing(selection, query, top)
        start_ns, end_ns = _window(start, end)
        answer = self.api.json("/api/metrics/query", q=text, start=start_ns - 1, end=end_ns)
        return compared_table(instant_series(answer.get("series") or ()))

    def trace(self, trace_id: str) -> Trace:
        """Return all spans of a trace by its hexadecimal id. Raises NotFound."""
        try:
            body = self.api.protobuf(f"/api/traces/{trace_id}")
        except NotFound as error:
            msg = f"there is no trace {trace_id} at {self.api.url}"
            raise NotFound(msg) from error
        try:  # the message of a trace has the form of an export request
            tables = merge([otlp.decode([body])])
        except ValueError as error:
            msg = f"{self.api.url} answered something that is no trace in protobuf: {error}"
            raise QueryFailed(msg) from error
        return Trace(trace_id.zfill(32), tables)

    def tags(self, *, start: Moment | None = None, end: Moment | None = None) -> dict[str, tuple[str, ...]]:
        """Return the keys of attributes by scope."""
        answer = self.api.json("/api/v2/search/tags", **_seconds(start, end))
        return {scope["name"]: tuple(sorted(scope.get("tags") or ())) for scope in answer.get("scopes") or ()}

    def explain(self, query: str = "{ }", *, start: Moment | None = None, end: Moment | None = None) -> Explained:
        """Run a search, and return how it was planned and where the time went. Only tempo-dask's servers tell."""
        _check(query)
        try:
            found: Explanation = explanation(self.api.json("/api/explain", q=query, **_seconds(start, end)))
        except NotFound as error:
            msg = f"{self.api.url} does not explain queries: of servers with Tempo's API tempo-dask alone does"
            raise NotFound(msg) from error
        return Explained(found)

    def _repr_html_(self) -> str:
        return f"<b>traces behind</b> <code>{self.api.url}</code>"


def connect(
    url: str,
    *,
    tenant: str = "",
    headers: Mapping[str, str] = MappingProxyType({}),
    timeout_s: float = TIMEOUT_S,
) -> ApiStore:
    """Return the store behind a server with Tempo's API, such as `http://127.0.0.1:3200`: ours or Tempo's own.

    A `tenant` goes into `X-Scope-OrgID`; `headers` go along too, as credentials do. An answer that takes longer than
    `timeout_s` is given up. Raises Unavailable where no server answers, BadRequest where `url` is none.
    """
    api = TempoApi(url.rstrip("/"), {**headers, **tenant_headers(tenant)}, timeout_s)
    api.ask("/api/echo", "text/plain", {})
    return ApiStore(api)


def _check(query: str) -> None:
    """Raise TraceQLError, with its place in the text, where a query is none."""
    require_valid(parse(query))


def _window(start: Moment | None, end: Moment | None) -> tuple[int, int]:
    end_ns = nanoseconds(end, time.time_ns())
    return nanoseconds(start, end_ns - HOUR_NS), end_ns


def _seconds(start: Moment | None, end: Moment | None) -> dict[str, int]:
    """Return the window in whole seconds, as searches and tags take it."""
    start_ns, end_ns = _window(start, end)
    return {"start": start_ns // SECOND_NS, "end": -(-end_ns // SECOND_NS)}
