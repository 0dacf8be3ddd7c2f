"""`/api/metrics/summary`: the parameters to three metrics queries over the whole window: spans, errors, durations."""

from __future__ import annotations

from dataclasses import replace

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_metrics import decode_query_instant
from tempo_dask.api.decode_query import check_query, parse_query
from tempo_dask.api.limits import RequestLimits
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.errors import BadRequest
from traceql import TraceQLError, format_query, parse_attribute

#: The quantiles of a summary, as its fields are called.
QUANTILES = {"p99": 0.99, "p95": 0.95, "p90": 0.9, "p50": 0.5}

_PREFIX = "invalid TraceQL query: "
_MOST_GROUPS = 5


def decode_summary(arguments: Arguments, tenant: str, now_ns: int, limits: RequestLimits) -> tuple[RangeRequest, ...]:
    """Return the queries for spans, for those with an error, and for quantiles of durations. Raises BadRequest.

    Without a window it is the last hour. All spans are looked at, whatever `limit` says.
    """
    if "|" in tenant:
        msg = "multi-tenant query unsupported"
        raise BadRequest(msg)
    chosen = _spans_of(arguments.text("q") or "{}", limits)
    by = _by(arguments.text("groupBy"))
    quantiles = ", ".join(str(quantile) for quantile in QUANTILES.values())
    asked = (
        f"{chosen} | count_over_time(){by}",
        f"{chosen} | {{ status = error }} | count_over_time(){by}",
        f"{chosen} | quantile_over_time(duration, {quantiles}){by}",
    )
    window = {name: arguments.text(name) for name in ("start", "end", "since")}
    return tuple(decode_query_instant(Arguments({**window, "q": query}), tenant, now_ns, limits) for query in asked)


def _spans_of(text: str, limits: RequestLimits) -> str:
    """Return a query that chooses spans, without hints. Raises BadRequest for one that does not parse or is metrics."""
    tree = parse_query(text, limits, _PREFIX)
    check_query(tree, _PREFIX)
    if tree.is_metrics:
        msg = f"{_PREFIX}expected a query for spans, found one for metrics"
        raise BadRequest(msg)
    return format_query(replace(tree, hints=()))


def _by(text: str) -> str:
    keys = [key.strip() for key in text.split(",") if key.strip()]
    if len(keys) > _MOST_GROUPS:
        msg = f"max group by {_MOST_GROUPS} values are supported"
        raise BadRequest(msg)
    try:
        for key in keys:
            parse_attribute(key)
    except TraceQLError as error:
        msg = f"invalid groupBy: {error}"
        raise BadRequest(msg) from error
    return f" by ({', '.join(keys)})" if keys else ""
