"""The section `querier` of the configuration: how long a query may take, and what memory queries may."""

from __future__ import annotations

from datetime import timedelta

from pydantic import NonNegativeInt, PositiveInt

from tempo_dask.config.section import Duration, Section


class QuerierSearch(Section):
    """`querier.search`."""

    query_timeout: Duration = timedelta(minutes=5)  # of every query as a whole, not of its parts


class Querier(Section):
    """`querier`."""

    search: QuerierSearch = QuerierSearch()
    scan_memory_bytes: PositiveInt = 1 << 30  # ours: what running queries may decode at a time, all together
    column_cache_bytes: NonNegativeInt = 1 << 30  # ours: decoded columns that are kept
