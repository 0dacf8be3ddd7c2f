"""A store opened for analysis, beside a running server or without one."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape
from pathlib import Path

import dask.dataframe as dd
import pandas as pd
import xarray as xr

from storage.block_store import BlockStore
from storage.columns import ScanSource
from storage.object_store import ObjectStore
from storage.objects import open_store as open_objects
from storage.tempo_blocks.beside import BlocksBesideTempo
from tempo_dask.cluster.opening import Cluster, open_cluster
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.executors import Executor
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import RangeRequest, SearchRequest, TagNamesRequest, TraceRequest, Window
from tempo_dask.engine.sources import stitched
from tempo_dask.errors import BadRequest, NotFound
from tempo_dask.notebook.asking import Snapshot, answer
from tempo_dask.notebook.compared import compared_table, comparing
from tempo_dask.notebook.explained import Explained
from tempo_dask.notebook.logged import LoggedSpans
from tempo_dask.notebook.progress import shown_progress
from tempo_dask.notebook.tables import metrics_array, traces_table
from tempo_dask.notebook.times import Moment, nanoseconds, steps, utc
from tempo_dask.notebook.trace import Trace
from tempo_dask.physical.frame import spans_frame
from tempo_dask.plan.build import build_search
from tempo_dask.plan.nodes import NewestTraces, TimeRange
from tempo_dask.plan.optimize import optimize
from traceql import parse, require_valid, simplify

SINGLE_TENANT = "single-tenant"
#: The window of a query without ends.
_FIRST_NS, _LAST_NS = -(2**63), 2**63 - 1
_EVERYTHING = NewestTraces(limit=2**31 - 1, spans_per_set=2**31 - 1)


def _threads() -> Executor:
    return shown_progress(LocalExecutor(_cores()))


def _cores() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True, repr=False)
class Store:
    """The spans of one tenant: those in blocks, and those in the logs of a data directory, as of each call.

    What a server holds is seen too where its data directory was opened; elsewhere what it has flushed.

    Wherever a verb takes `start` and `end`: ends included, UTC where they have no time zone, and without them the
    window is as long as the data. Every verb raises traceql.TraceQLError where the query is none.
    """

    blocks: BlockStore
    tenant: str
    executor: Executor = field(default_factory=_threads)
    cluster: Cluster | None = None
    logged: LoggedSpans | None = None

    def __repr__(self) -> str:
        """Return how much there is, and of which time."""
        blocks, live = self._blocks_and_live()
        sources = (*blocks, *live)
        if not sources:
            return f"Store of {self.tenant}: no spans yet"
        first, last = (utc(at_ns) for at_ns in _bounds(sources))
        places = [f"{_spans(blocks):,} spans in {_counted(len(blocks))}"] if blocks else []
        places += [f"{_spans(live):,} spans in the log"] if live else []
        return f"Store of {self.tenant}: {' and '.join(places)}, {first} to {last} UTC"

    def _repr_html_(self) -> str:
        return f"<b>{escape(repr(self))}</b>"

    def spans(
        self,
        query: str = "{ }",
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        columns: Sequence[str] | None = None,
    ) -> dd.DataFrame:
        """Return the spans that match a TraceQL query, a row each, as a lazy Dask dataframe backed by Arrow.

        Only traces that overlap `start` to `end` are looked at: datetimes or ISO 8601 texts, in UTC where they do not
        say. Only the columns that the query names are read, besides `trace_id`, `span_id`, `start`, `duration_ns`,
        name, service, status and kind. `columns` chooses others: those names, intrinsics and attributes. An attribute
        whose values are of one type has that type, of mixed types they are strings; `span.key::int` (str, float, bool)
        has values of that type alone.

        Nothing is read before the frame is computed.

        >>> errors = store.spans("{ status = error }")  # doctest: +SKIP
        >>> errors.groupby("resource.service.name").size().compute()  # doctest: +SKIP
        """
        parsed = parse(query)
        require_valid(parsed)
        window = TimeRange(nanoseconds(start, _FIRST_NS), nanoseconds(end, _LAST_NS))
        plan = optimize(build_search(simplify(parsed), window, _EVERYTHING))
        return spans_frame(plan, stitched(self._sources()), columns)

    def search(
        self, query: str = "{ }", *, start: Moment | None = None, end: Moment | None = None, limit: int = 20
    ) -> pd.DataFrame:
        """Return the newest traces with a match, at most `limit`, a row each (see `tables.TRACE_COLUMNS`)."""
        engine, window = self._engine(start, end)
        request = SearchRequest(self.tenant, query, window, limit, spans_per_set=1)
        return traces_table(answer(engine.search(request)).traces)

    def metrics(
        self,
        query: str,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        step: timedelta | None = None,
    ) -> xr.DataArray:
        """Return the samples of a metrics query as an array (series x time); rates are per second, durations seconds.

        Each sample stands at the right edge of its interval. Without a `step` there are about sixty. `.to_pandas()`
        gives a frame.

        >>> store.metrics("{ } | rate() by (resource.service.name)").plot.line(x="time")  # doctest: +SKIP
        """
        engine, window = self._engine(start, end)
        start_ns, end_ns, step_ns = steps(window.start_ns - 1, window.end_ns, step)
        request = RangeRequest(self.tenant, query, start_ns, end_ns, step_ns, exemplars=0)
        return metrics_array(query, answer(engine.query_range(request)))

    def compare(
        self,
        selection: str,
        query: str = "{ }",
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        top: int = 10,
    ) -> pd.DataFrame:
        """Return what sets the spans of `selection` apart from the other spans of `query`, the greatest first.

        `top` values of each attribute are counted.

        >>> store.compare("{ duration > 1s }", '{ resource.service.name = "cart" }')  # doctest: +SKIP
        """
        engine, window = self._engine(start, end)
        step_ns = window.end_ns - window.start_ns + 1
        text = comparing(selection, query, top)
        request = RangeRequest(self.tenant, text, window.start_ns - 1, window.start_ns - 1 + step_ns, step_ns, 0)
        return compared_table(answer(engine.query_range(request)).series)

    def trace(self, trace_id: str) -> Trace:
        """Return all spans of a trace by its hexadecimal id. Raises NotFound, or BadRequest where it is no id."""
        engine, _ = self._engine(None, None)
        found = answer(engine.trace(TraceRequest(self.tenant, _bytes(trace_id))))
        if found.tables is None:
            msg = f"there is no trace {trace_id}"
            raise NotFound(msg)
        return Trace(trace_id, found.tables)

    def tags(self, *, start: Moment | None = None, end: Moment | None = None) -> dict[str, tuple[str, ...]]:
        """Return the keys of attributes by scope."""
        engine, window = self._engine(start, end)
        return dict(answer(engine.tag_names(TagNamesRequest(self.tenant, window))).scopes)

    def explain(self, query: str = "{ }", *, start: Moment | None = None, end: Moment | None = None) -> Explained:
        """Run a search, and return how it was planned, what was pruned and where the time went."""
        engine, window = self._engine(start, end)
        return Explained(answer(engine.explain(SearchRequest(self.tenant, query, window))))

    def close(self) -> None:
        """Stop the threads, and leave the cluster where there is one; nothing can be asked afterwards."""
        self.executor.close() if self.cluster is None else self.cluster.close()

    def _engine(self, start: Moment | None, end: Moment | None) -> tuple[Engine, Window]:
        """Return an engine over the spans of this moment, and the window, no wider than they are."""
        sources = self._sources()
        first, last = _bounds(sources)
        return Engine(Snapshot(sources), self.executor), Window(nanoseconds(start, first), nanoseconds(end, last))

    def _sources(self) -> tuple[ScanSource, ...]:
        blocks, live = self._blocks_and_live()
        return (*blocks, *live)

    def _blocks_and_live(self) -> tuple[tuple[ScanSource, ...], tuple[ScanSource, ...]]:
        if self.logged is None:
            listed, live = self.blocks.snapshot(self.tenant), tuple[ScanSource, ...]()
        else:
            listed, live = self.logged.beside(self.blocks, self.tenant)
        if listed.set_aside:
            reasons = "; ".join(f"{block_id}: {why}" for block_id, why in sorted(listed.set_aside.items()))
            warnings.warn(f"the answer lacks {_counted(len(listed.set_aside))} ({reasons})", stacklevel=4)
        return tuple(listed.blocks), live


def open_store(location: str | Path, *, tenant: str = SINGLE_TENANT, scheduler: str | None = None) -> Store:
    """Open a store: a server's data directory, a folder of blocks (also Tempo's own), or an object store's URL.

    Opening it takes no lock and writes nothing, so a server may be at work there; of a data directory its log is read
    too, so spans are seen as soon as they were acknowledged. Queries run on the threads of this process, or on the
    workers of the Dask `scheduler` (`tcp://HOST:PORT`), which must reach the blocks too. Raises NotFound where there is
    no such folder, Unavailable where there is no such scheduler, BadRequest for a server's URL (see `connect`).
    """
    blocks, logged = BlocksBesideTempo(_objects(location)), _logged(location)
    if scheduler is None:
        return Store(blocks, tenant, logged=logged)
    cluster = open_cluster(scheduler, _cores())
    return Store(blocks, tenant, shown_progress(cluster.executor), cluster, logged)


def _spans(sources: Sequence[ScanSource]) -> int:
    return sum(source.meta.span_count for source in sources)


def _bounds(sources: Sequence[ScanSource]) -> tuple[int, int]:
    """Return when the first span starts and the last one ends; of nothing, a moment in 1970."""
    first = min((source.meta.start_ns for source in sources), default=0)
    return first, max((source.meta.end_ns for source in sources), default=1)


def _counted(blocks: int) -> str:
    return "1 block" if blocks == 1 else f"{blocks:,} blocks"


def _bytes(trace_id: str) -> bytes:
    if re.fullmatch("[0-9a-fA-F]{1,32}", trace_id) is None:
        msg = f"{trace_id!r} is no trace id: expected up to 32 hexadecimal digits"
        raise BadRequest(msg)
    return bytes.fromhex(trace_id.zfill(32))


def _objects(location: str | Path) -> ObjectStore:
    if str(location).startswith(("http://", "https://")):
        msg = f'{location} is a server: ask it with connect("{location}"); open_store reads blocks themselves'
        raise BadRequest(msg)
    if "://" in str(location):
        return open_objects(str(location))
    folder = Path(location)
    if not folder.is_dir():
        msg = f"{folder} is no folder: expected a server's --data-dir, a folder of blocks, or a URL such as s3://bucket"
        raise NotFound(msg)
    blocks = folder / "blocks"
    return open_objects(str(blocks if blocks.is_dir() else folder))


def _logged(location: str | Path) -> LoggedSpans | None:
    """Return the logs of a data directory; a folder of blocks alone has none."""
    wal = None if "://" in str(location) else Path(location) / "wal"
    return LoggedSpans(wal) if wal is not None and wal.is_dir() else None
