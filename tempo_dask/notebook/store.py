"""A store opened for analysis, beside a running server or without one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dask.dataframe as dd

from storage.block_store import BlockStore
from storage.objects import open_store as open_objects
from tempo_dask.engine.sources import stitched
from tempo_dask.errors import NotFound
from tempo_dask.physical.frame import spans_frame
from tempo_dask.plan.build import build_search
from tempo_dask.plan.nodes import NewestTraces, TimeRange
from tempo_dask.plan.optimize import optimize
from traceql import parse, require_valid, simplify

SINGLE_TENANT = "single-tenant"
#: The window of a query without ends.
_FIRST_NS, _LAST_NS = -(2**63), 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVERYTHING = NewestTraces(limit=2**31 - 1, spans_per_set=2**31 - 1)


@dataclass(frozen=True, slots=True)
class Store:
    """The blocks of one tenant; what a server still holds in memory is not seen until it is flushed."""

    blocks: BlockStore
    tenant: str

    def spans(self, query: str = "{ }", *, start: datetime | None = None, end: datetime | None = None) -> dd.DataFrame:
        """Return the spans that match a TraceQL query, a row each, as a lazy Dask dataframe backed by Arrow.

        Only traces that overlap `start` to `end` (ends included; without a time zone they are UTC) are looked at, and
        only the columns that the query names are read, besides `trace_id`, `span_id`, `start`, `duration_ns`, name,
        service, status and kind. Nothing is read before the frame is computed.

        Raises traceql.TraceQLError where the query is none.

        >>> errors = store.spans("{ status = error }")  # doctest: +SKIP
        >>> errors.groupby("resource.service.name").size().compute()  # doctest: +SKIP
        """
        parsed = parse(query)
        require_valid(parsed)
        window = TimeRange(_nanoseconds(start, _FIRST_NS), _nanoseconds(end, _LAST_NS))
        plan = optimize(build_search(simplify(parsed), window, _EVERYTHING))
        return spans_frame(plan, stitched(self.blocks.snapshot(self.tenant).blocks))


def open_store(location: str | Path, *, tenant: str = SINGLE_TENANT) -> Store:
    """Open a store: a server's data directory, a folder of blocks, or an object store's URL.

    Opening it takes no lock and writes nothing, so a server may be at work there. Raises NotFound where there is no
    such folder.
    """
    if "://" in str(location):
        return Store(BlockStore(open_objects(str(location))), tenant)
    folder = Path(location)
    if not folder.is_dir():
        msg = f"{folder} is no folder: expected a server's --data-dir, a folder of blocks, or a URL such as s3://bucket"
        raise NotFound(msg)
    blocks = folder / "blocks"
    return Store(BlockStore(open_objects(str(blocks if blocks.is_dir() else folder))), tenant)


def _nanoseconds(time: datetime | None, otherwise: int) -> int:
    """Return a time as nanoseconds since 1970, exactly."""
    if time is None:
        return otherwise
    since = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
