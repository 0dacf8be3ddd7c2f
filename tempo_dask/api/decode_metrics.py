"""`/api/metrics/query_range` and `/api/metrics/query`: parameters to range requests, with Tempo's checks in order."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_durations import parse_go_duration, parse_prometheus_duration
from tempo_dask.api.decode_numbers import go_quote, parse_integer
from tempo_dask.api.decode_query import check_query, parse_query
from tempo_dask.api.decode_times import parse_moment
from tempo_dask.api.limits import HOUR_NS, SECOND_NS, RequestLimits
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.errors import BadRequest, QueryFailed
from traceql import Query
from traceql.durations import format_duration

REVERSED = "end must be greater than start"

_PREFIX = "compiling query: "
_FLOAT = re.compile(r"[0-9.eE+-]+")


@dataclass(frozen=True, slots=True)
class _Times:
    """The window as asked; `is_readable` is false where a bound did not parse."""

    start_ns: int
    end_ns: int
    is_readable: bool


def decode_query_range(arguments: Arguments, tenant: str, now_ns: int, limits: RequestLimits) -> RangeRequest:
    """Return the range query that the parameters ask for; raises BadRequest (QueryFailed for unreadable times)."""
    times = _read_times(arguments, now_ns, limits)
    step_ns = _read_step(arguments, times)
    if not times.is_readable:
        raise QueryFailed(REVERSED)
    if times.start_ns > times.end_ns:
        raise BadRequest(REVERSED)
    _check_step(times, step_ns, limits)
    query = arguments.text("q") or arguments.text("query")
    _check_metrics(parse_query(query, limits, ""))
    if step_ns < 0 or times.start_ns <= 0:
        msg = "start required"
        raise BadRequest(msg)
    start_ns, end_ns = align(times.start_ns, times.end_ns, step_ns)
    _check_range(start_ns, end_ns, limits)
    exemplars, max_series = _read_exemplars(arguments, limits), _read_max_series(arguments, limits)
    return RangeRequest(tenant, query, start_ns, end_ns, step_ns, exemplars, max_series)


def decode_query_instant(arguments: Arguments, tenant: str, now_ns: int, limits: RequestLimits) -> RangeRequest:
    """Return an instant query: a range query of one interval, the whole window; raises BadRequest."""
    query = arguments.text("q") or arguments.text("query")
    _check_metrics(parse_query(query, limits, _PREFIX))
    times = _read_times(arguments, now_ns, limits)
    if not times.is_readable or times.start_ns >= times.end_ns:
        raise BadRequest(REVERSED)
    _check_range(times.start_ns, times.end_ns, limits)
    step_ns = times.end_ns - times.start_ns
    return RangeRequest(
        tenant,
        query,
        times.start_ns,
        times.end_ns,
        step_ns,
        exemplars=0,
        max_series=_read_max_series(arguments, limits),
    )


def default_step(window_ns: int) -> int:
    """Return the step of about 240 intervals: whole multiples of 5 s, below that whole seconds, at least 1 s."""
    step_ns = window_ns // 240
    floored = step_ns - step_ns % (5 * SECOND_NS)
    if floored < 5 * SECOND_NS:
        floored = step_ns - step_ns % SECOND_NS
    return max(floored, SECOND_NS)


def align(start_ns: int, end_ns: int, step_ns: int) -> tuple[int, int]:
    """Return the window on multiples of the step, with one leading interval so that `start_ns` gets its own sample."""
    return start_ns - start_ns % step_ns - step_ns, end_ns + -end_ns % step_ns


def _check_metrics(tree: Query) -> None:
    check_query(tree, _PREFIX)
    if not tree.is_metrics:
        msg = "not a metrics query"
        raise BadRequest(msg)


def _read_times(arguments: Arguments, now_ns: int, limits: RequestLimits) -> _Times:
    """Read the window; the parser's own errors are not told apart, as Tempo does not."""
    end_ns, end_readable = _read_or(arguments, "end", parse_moment, now_ns)
    since_ns, since_readable = _read_or(arguments, "since", parse_prometheus_duration, HOUR_NS)
    start_ns, start_readable = _read_or(arguments, "start", parse_moment, min(end_ns, now_ns) - since_ns)
    end_ns = min(end_ns, now_ns - limits.end_cutoff_ns)
    return _Times(start_ns, end_ns, end_readable and start_readable and since_readable)


def _read_or(arguments: Arguments, name: str, read: Callable[[str], int], default: int) -> tuple[int, bool]:
    text = arguments.text(name)
    if not text:
        return default, True
    try:
        return read(text), True
    except ValueError:
        return default, False


def _read_step(arguments: Arguments, times: _Times) -> int:
    text = arguments.text("step")
    if not text:
        return default_step(times.end_ns - times.start_ns)
    try:
        return _parse_step(text)
    except ValueError as error:
        msg = f"rpc error: code = Code(400) desc = cannot parse {go_quote(text)} to a valid duration"
        raise BadRequest(msg) from error


def _parse_step(text: str) -> int:
    """Return nanoseconds of `15`, `0.5` or `1m30s`."""
    try:
        seconds = float(text) if _FLOAT.fullmatch(text) else math.nan
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds):
        return parse_go_duration(text)
    if abs(seconds) >= 1 << 33:
        msg = "more seconds than a duration can hold"
        raise ValueError(msg)
    return int(seconds * SECOND_NS)


def _check_step(times: _Times, step_ns: int, limits: RequestLimits) -> None:
    window_ns = times.end_ns - times.start_ns
    if step_ns >= 0 and limits.max_intervals and window_ns > step_ns * limits.max_intervals:
        least_ns = -(-window_ns // limits.max_intervals)
        msg = (
            f"step of {format_duration(step_ns)} is too small, "
            f"minimum step for given range is {format_duration(least_ns)}"
        )
        raise BadRequest(msg)
    if step_ns == 0:
        msg = "step required"
        raise BadRequest(msg)


def _check_range(start_ns: int, end_ns: int, limits: RequestLimits) -> None:
    if 0 < limits.max_metrics_ns < end_ns - start_ns:
        longest = format_duration(limits.max_metrics_ns)
        msg = f"metrics query time range exceeds the maximum allowed duration of {longest}"
        raise BadRequest(msg)


def _read_exemplars(arguments: Arguments, limits: RequestLimits) -> int:
    asked = _lenient_integer(arguments.text("exemplars"))
    return asked if 0 < asked < limits.max_exemplars else limits.max_exemplars


def _read_max_series(arguments: Arguments, limits: RequestLimits) -> int:
    caps = [cap for cap in (_lenient_integer(arguments.text("maxSeries")), limits.max_series) if cap > 0]
    return min(caps, default=0)


def _lenient_integer(text: str) -> int:
    try:
        return parse_integer(text, 32)
    except ValueError:
        return 0
