"""`/api/search`: parameters to a search request, with Tempo's checks in Tempo's order."""

from __future__ import annotations

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_durations import parse_go_duration
from tempo_dask.api.decode_numbers import parse_integer
from tempo_dask.api.decode_query import check_query, parse_query
from tempo_dask.api.decode_tags import parse_logfmt
from tempo_dask.api.decode_times import parse_rfc3339, search_window
from tempo_dask.api.limits import SECOND_NS, RequestLimits
from tempo_dask.engine.requests import SearchRequest, Window
from tempo_dask.errors import BadRequest
from traceql.durations import format_duration

_PREFIX = "invalid TraceQL query: "


def decode_search(arguments: Arguments, tenant: str, now_ns: int, limits: RequestLimits) -> SearchRequest:
    """Return the search that the parameters ask for; raises BadRequest with the client's text."""
    query = arguments.text("q")
    tags, shortest_ns, longest_ns = _read_tags(arguments)
    traces = _read_count(arguments, "limit", limits.default_traces, 1)
    spans_per_set = _read_count(arguments, "spss", limits.default_spans_per_set, 0)
    _check_seconds(arguments)
    arguments.read("rf1After", parse_rfc3339)
    _check_cap(traces, limits.max_traces, "limit {value} exceeds max limit {cap}")
    tree = parse_query(query, limits, _PREFIX) if query else None
    window = search_window(arguments, now_ns, limits)
    if tree is not None:
        check_query(tree, _PREFIX)
    _check_range(window, limits)
    _check_cap(spans_per_set, limits.max_spans_per_set, "spans per span set exceeds {cap}. received {value}")
    spans_per_set = spans_per_set or limits.default_spans_per_set
    if query:
        return SearchRequest(tenant, query, window, traces, spans_per_set)
    return SearchRequest(tenant, "", window, traces, spans_per_set, tags, shortest_ns, longest_ns)


def _read_tags(arguments: Arguments) -> tuple[tuple[tuple[str, str], ...], int, int]:
    """Return tags, shortest and longest duration; beside a query durations are only checked."""
    query, tags = arguments.text("q"), arguments.text("tags")
    if query and tags:
        msg = "invalid request: can't specify tags and q in the same query"
        raise BadRequest(msg)
    found = arguments.read("tags", parse_logfmt)
    shortest_ns = arguments.read("minDuration", parse_go_duration) or 0
    longest_ns = arguments.read("maxDuration", parse_go_duration)
    if longest_ns is not None and longest_ns < shortest_ns:
        msg = "invalid maxDuration: must be greater than minDuration"
        raise BadRequest(msg)
    return tuple((found or {}).items()), shortest_ns, longest_ns or 0


def _read_count(arguments: Arguments, name: str, default: int, least: int) -> int:
    value = arguments.read(name, lambda text: parse_integer(text, 64, "Atoi"))
    if value is None:
        return default
    if value < least:
        msg = f"invalid {name}: must be a {'positive' if least else 'non-negative'} number"
        raise BadRequest(msg)
    return value


def _check_seconds(arguments: Arguments) -> None:
    start = (arguments.read("start", lambda text: parse_integer(text, 32)) or 0) % (1 << 32)
    end = (arguments.read("end", lambda text: parse_integer(text, 32)) or 0) % (1 << 32)
    if (start or end) and end <= start:
        msg = f"http parameter start must be before end. received start={start} end={end}"
        raise BadRequest(msg)


def _check_cap(value: int, cap: int, text: str) -> None:
    if 0 < cap < value:
        raise BadRequest(text.format(value=value, cap=cap))


def _check_range(window: Window, limits: RequestLimits) -> None:
    if 0 < limits.max_search_ns < window.end_ns - window.start_ns:
        msg = (
            f"range specified by start and end exceeds {format_duration(limits.max_search_ns)}. "
            f"received start={window.start_ns // SECOND_NS} end={window.end_ns // SECOND_NS}"
        )
        raise BadRequest(msg)
