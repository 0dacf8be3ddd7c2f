"""Durations as text: Prometheus' and Go's spelling in, Go's spelling out. Values are nanoseconds."""

from __future__ import annotations

import re
from decimal import Decimal

from traceql.types import MAX_INT

_MICRO = 1_000
_MILLI = 1_000_000
_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

_GO_UNITS = {"ns": 1, "us": _MICRO, "µs": _MICRO, "μs": _MICRO, "ms": _MILLI, "s": _SECOND, "m": _MINUTE, "h": _HOUR}
_GO_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_GO = re.compile(rf"(?:{_GO_PART})+", re.ASCII)
_PROMETHEUS = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII
)
_MOST_DIGITS = 19  # more do not fit 64 bits
_PROMETHEUS_UNITS = (365 * _DAY, 7 * _DAY, _DAY, _HOUR, _MINUTE, _SECOND, _MILLI)


def parse_duration(text: str) -> int | None:
    """Nanoseconds of `1h30m`, `1.5s` or `2d`; None for a text that is no duration, or one beyond 64 bits.

    Integers with units from years down to milliseconds are tried first, then Go's spelling, which takes fractions and
    any order.
    """
    ns = _prometheus(text)
    if ns is None:
        ns = _go(text)
    return ns if ns is not None and ns <= MAX_INT else None


def _prometheus(text: str) -> int | None:
    match = _PROMETHEUS.fullmatch(text)
    if not text or match is None or any(count and len(count) > _MOST_DIGITS for count in match.groups()):
        return None
    return sum(int(count) * unit for count, unit in zip(match.groups(), _PROMETHEUS_UNITS, strict=True) if count)


def _go(text: str) -> int | None:
    if not _GO.fullmatch(text):
        return None
    counts = [Decimal(number) * _GO_UNITS[unit] for number, unit in re.findall(_GO_PART, text, re.ASCII)]
    return None if max(counts) > MAX_INT else sum(map(int, counts))


def format_duration(ns: int) -> str:
    """Go's text of a duration: `1.5s`, `2h0m0s`, `100µs`, `0s`."""
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    if ns < _SECOND:
        return sign + _small(ns)
    minutes, rest = divmod(ns, _MINUTE)
    hours, minutes = divmod(minutes, 60)
    seconds = _decimal(rest, _SECOND) + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else sign + seconds


def short_duration(ns: int) -> str:
    """The same without parts that are zero at the end: `2h`, `1m`, `1h0m5s`."""
    return _ZERO_MINUTES.sub("", _ZERO_SECONDS.sub("", format_duration(ns)))


_ZERO_SECONDS = re.compile(r"(?<=[hm])0s$")
_ZERO_MINUTES = re.compile(r"(?<=h)0m$")


def _small(ns: int) -> str:
    if ns == 0:
        return "0s"
    for unit, name in ((_MILLI, "ms"), (_MICRO, "µs")):
        if ns >= unit:
            return _decimal(ns, unit) + name
    return f"{ns}ns"


def _decimal(ns: int, unit: int) -> str:
    """`ns / unit` in plain digits, exact, without trailing zeros."""
    whole, rest = divmod(ns, unit)
    if not rest:
        return str(whole)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")
