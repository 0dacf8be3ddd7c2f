"""Moments and windows as the API spells them, in nanoseconds since 1970."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_durations import parse_prometheus_duration
from tempo_dask.api.decode_numbers import go_quote, parse_integer
from tempo_dask.api.limits import SECOND_NS, RequestLimits
from tempo_dask.engine.requests import Window
from tempo_dask.errors import BadRequest

ONE_BOUND = "error parsing date range: only one of start and end provided: must provide both or neither"

#: The last moment that spans can have, in the year 2262.
LAST_NS = (1 << 63) - 1

_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt](?P<time>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d+))?(?P<zone>[Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)
_FLOAT = re.compile(r"[+-]?[0-9]*\.[0-9]*")


def parse_moment(text: str) -> int:
    """Return a moment: up to ten digits are seconds, more are nanoseconds, with a point seconds to the millisecond.

    Anything else must be RFC 3339. Raises ValueError.
    """
    if "." in text and ":" not in text:
        return _nearest(_parse_float_seconds(text))
    try:
        value = parse_integer(text, 64)
    except ValueError:
        return parse_rfc3339(text)
    return _nearest(value * SECOND_NS if len(text) <= 10 else value)


def _nearest(moment_ns: int) -> int:
    """Return the nearest moment that a span can have."""
    return min(max(moment_ns, 0), LAST_NS)


def _parse_float_seconds(text: str) -> int:
    if not _FLOAT.fullmatch(text) or text.strip("+-") == "." or len(text) > 40:
        msg = f"strconv.ParseFloat: parsing {go_quote(text)}: invalid syntax"
        raise ValueError(msg)
    milliseconds = round(Decimal(text) * 1000)
    return int(milliseconds) * 1_000_000


def parse_rfc3339(text: str) -> int:
    """Return the nanoseconds of an RFC 3339 time, fraction included; raises ValueError."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        shown = go_quote(text)
        msg = f'parsing time {shown} as "2006-01-02T15:04:05.999999999Z07:00": cannot parse {shown} as "2006"'
        raise ValueError(msg)
    zone = "+00:00" if match["zone"] in "Zz" else match["zone"]
    moment = datetime.fromisoformat(f"{match['date']}T{match['time']}{zone}")
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return _nearest(seconds * SECOND_NS + int(f"{match['fraction'] or '0':0<9.9}"))


def search_window(arguments: Arguments, now_ns: int, limits: RequestLimits) -> Window:
    """Return the window that search, tags and tag values look at; raises BadRequest.

    `since` counts back from now and wins; without any bound the last `limits.recent_ns` are meant; an end in the
    future is pulled back to now.
    """
    latest_ns = now_ns - limits.end_cutoff_ns
    if arguments.text("since"):
        return Window(latest_ns - _bound(arguments, "since", parse_prometheus_duration), latest_ns)
    start, end = arguments.text("start"), arguments.text("end")
    if not start and not end:
        return Window(now_ns - limits.recent_ns, latest_ns)
    if not start or not end:
        raise BadRequest(ONE_BOUND)
    start_ns, end_ns = _bound(arguments, "start", parse_moment), _bound(arguments, "end", parse_moment)
    if end_ns > latest_ns:
        end_ns = latest_ns
        if start_ns > end_ns:
            start_ns = now_ns - limits.recent_ns
    return Window(start_ns, end_ns)


def _bound(arguments: Arguments, name: str, parse: Callable[[str], int]) -> int:
    try:
        return parse(arguments.text(name))
    except ValueError as error:
        msg = f"error parsing date range: could not parse '{name}' parameter: {error}"
        raise BadRequest(msg) from error
