"""Durations in the two spellings of the API: Go's (`1h30m`, `1.5s`) and Prometheus' (`1d12h`)."""

from __future__ import annotations

import re
from decimal import Decimal

from tempo_dask.api.decode_numbers import go_quote

MAX_NS = (1 << 63) - 1

_GO_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_GO_TERM = re.compile(r"(?P<number>[0-9]*(?:\.[0-9]*)?)(?P<unit>[^0-9.]*)")
_PROMETHEUS_UNITS = (
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
)
_PROMETHEUS = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+){unit})?" for unit, _ in _PROMETHEUS_UNITS))


def parse_go_duration(text: str) -> int:
    """Return nanoseconds, cut towards zero, or raise ValueError with Go's text."""
    invalid = f"time: invalid duration {go_quote(text)}"
    unsigned = text[1:] if text[:1] in {"+", "-"} else text
    if unsigned == "0":
        return 0
    if not unsigned:
        raise ValueError(invalid)
    total, at = 0, 0
    while at < len(unsigned):
        term = _GO_TERM.match(unsigned, at)
        if term is None or not term["number"].strip("."):
            raise ValueError(invalid)
        total += _go_term_ns(text, term["number"], term["unit"])
        at = term.end()
    if total > MAX_NS:
        raise ValueError(invalid)
    return -total if text.startswith("-") else total


def _go_term_ns(text: str, number: str, unit: str) -> int:
    if not unit:
        msg = f"time: missing unit in duration {go_quote(text)}"
        raise ValueError(msg)
    if unit not in _GO_UNITS:
        msg = f"time: unknown unit {go_quote(unit)} in duration {go_quote(text)}"
        raise ValueError(msg)
    whole, _, fraction = number.partition(".")
    scale = _GO_UNITS[unit]
    if len(whole.lstrip("0")) > 19:
        msg = f"time: invalid duration {go_quote(text)}"
        raise ValueError(msg)
    return int(whole or "0") * scale + int(Decimal(f"0.{fraction[:30] or '0'}") * scale)


def parse_prometheus_duration(text: str) -> int:
    """Return nanoseconds (whole milliseconds, never negative), or raise ValueError with Prometheus' text."""
    if text == "0":
        return 0
    if not text:
        msg = "empty duration string"
        raise ValueError(msg)
    match = _PROMETHEUS.fullmatch(text)
    if match is None:
        msg = f"not a valid duration string: {go_quote(text)}"
        raise ValueError(msg)
    terms = [(match[unit], scale) for unit, scale in _PROMETHEUS_UNITS if match[unit]]
    if any(len(number) > 19 for number, _ in terms):
        msg = "duration out of range"
        raise ValueError(msg)
    total_ns = sum(int(number) * scale for number, scale in terms) * 1_000_000
    if total_ns > MAX_NS:
        msg = "duration out of range"
        raise ValueError(msg)
    return total_ns
