"""The three ways in which a user finds a span: by search, by metrics and by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tempo_dask.engine.engine import Engine
from tempo_dask.engine.requests import RangeRequest, SearchRequest, TraceRequest, Window
from tests.ingest.numbered import START_NS
from tests.otlp_oracle import requests_to_spans, tables_to_spans
from tests.simulation.node import Body

EVER = Window(-(2**62), 2**62)
MINUTE_NS = 60 * 10**9
#: All spans start within it.
START = START_NS // MINUTE_NS * MINUTE_NS - MINUTE_NS
STOP = START + 3 * MINUTE_NS


async def by_search(engine: Engine, tenant: str) -> Counter[int]:
    """Return how often each span of a tenant, by number, is among those that a search shows."""
    found = await engine.search(SearchRequest(tenant, "{}", EVER, limit=10_000, spans_per_set=10_000))
    shown = [span.span_id for trace in found.traces for each in trace.span_sets for span in each.spans]
    return Counter(int.from_bytes(span_id, "big") - 1 for span_id in shown)


async def traces_with(engine: Engine, tenant: str, number: int) -> set[int]:
    """Return the numbers of the traces in which a search finds a span by its number."""
    query = f"{{ span.number = {number} }}"
    found = await engine.search(SearchRequest(tenant, query, EVER, limit=10, spans_per_set=3))
    return {int.from_bytes(trace.trace_id, "big") - 1 for trace in found.traces}


async def by_metrics(engine: Engine, tenant: str) -> Counter[int]:
    """Return how often each span of a tenant, by number, is counted."""
    request = RangeRequest(tenant, "{} | count_over_time() by (span.number)", START, STOP, MINUTE_NS)
    found: Counter[int] = Counter()
    for each in (await engine.query_range(request)).series:
        [(_, number)] = each.labels
        found[int(number)] += int(np.nansum(each.values))
    return found


async def by_id(engine: Engine, tenant: str, traces: Sequence[int], body: Body) -> Counter[int]:
    """Return how often each span is in the traces asked for; each must be what `body` makes, field by field."""
    found: Counter[int] = Counter()
    for trace in traces:
        answer = await engine.trace(TraceRequest(tenant, (trace + 1).to_bytes(16, "big")))
        for span in [] if answer.tables is None else tables_to_spans(answer.tables):
            number = int.from_bytes(span.span_id, "big") - 1
            assert [span] == requests_to_spans([body([number])]), f"not what was sent: {span}"
            found[number] += 1
    return found
