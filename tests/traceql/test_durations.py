"""Durations in and out of text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceql.durations import format_duration, parse_duration, short_duration
from traceql.types import MAX_INT

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0s", 0),
        ("1ns", 1),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        ("1ms", 1_000_000),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("1.s", SECOND),
        ("1.0000000019s", 1_000_000_001),
        ("1h30m", 5_400 * SECOND),
        ("1m1h", 3_660 * SECOND),
        ("1d", 86_400 * SECOND),
        ("1w", 7 * 86_400 * SECOND),
        ("1y", 365 * 86_400 * SECOND),
        ("1y2w3d4h5m6s7ms", ((365 + 14 + 3) * 86_400 + 4 * 3_600 + 5 * 60 + 6) * SECOND + 7_000_000),
        ("9223372036854775807ns", MAX_INT),
        ("9223372036854775808ns", None),
        ("293y", None),
        ("1d1.5h", None),
        ("1h1d", None),
        ("1.5d", None),
        ("", None),
        ("5", None),
        ("s", None),
        ("1S", None),
        ("1 s", None),
        ("-1s", None),
        ("1s ", None),
        ("9" * 5_000 + "s", None),
        ("0." + "0" * 5_000 + "1s", 0),
    ],
)
def test_parse(text: str, ns: int | None) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    ("ns", "text", "short"),
    [
        (0, "0s", "0s"),
        (1, "1ns", "1ns"),
        (999, "999ns", "999ns"),
        (1_500, "1.5µs", "1.5µs"),
        (100_000_000, "100ms", "100ms"),
        (1_000_001, "1.000001ms", "1.000001ms"),
        (SECOND, "1s", "1s"),
        (10 * SECOND, "10s", "10s"),
        (1_500_000_000, "1.5s", "1.5s"),
        (60 * SECOND, "1m0s", "1m"),
        (600 * SECOND, "10m0s", "10m"),
        (3_600 * SECOND, "1h0m0s", "1h"),
        (3_605 * SECOND, "1h0m5s", "1h0m5s"),
        (5_400 * SECOND, "1h30m0s", "1h30m"),
        (-1_500_000, "-1.5ms", "-1.5ms"),
        (MAX_INT, "2562047h47m16.854775807s", "2562047h47m16.854775807s"),
    ],
)
def test_format(ns: int, text: str, short: str) -> None:
    assert format_duration(ns) == text
    assert short_duration(ns) == short


@given(st.integers(0, MAX_INT) | st.integers(0, 10**6).map(lambda seconds: seconds * SECOND))
def test_text_reads_back(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns
    assert parse_duration(short_duration(ns)) == ns
