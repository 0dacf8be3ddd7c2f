"""Trace ids, numbers, durations and times as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_durations import parse_go_duration, parse_prometheus_duration
from tempo_dask.api.decode_numbers import go_quote, parse_integer
from tempo_dask.api.decode_times import LAST_NS, parse_moment
from tempo_dask.api.decode_trace import decode_trace, parse_trace_id
from tempo_dask.engine.requests import TraceRequest, Window
from tempo_dask.errors import BadRequest, QueryFailed
from traceql.durations import format_duration

MS = 1_000_000
S = 1_000 * MS


@pytest.mark.parametrize(
    ("text", "last"), [("0", b"\x00\x00"), ("aB7", b"\x0a\xb7"), ("00ff", b"\x00\xff"), ("f" * 32, b"\xff\xff")]
)
def test_trace_ids(text: str, last: bytes) -> None:
    found = parse_trace_id(text)
    assert (len(found), found[-2:]) == (16, last)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zz", "trace IDs can only contain hex characters: invalid character 'z' at position 1"),
        ("12 4", "trace IDs can only contain hex characters: invalid character ' ' at position 3"),
        ("f" * 33, "trace IDs can't be larger than 128 bits"),
    ],
)
def test_bad_trace_ids(text: str, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_trace_id(text)
    assert str(caught.value) == said


@given(st.binary(min_size=16, max_size=16))
def test_an_id_reads_back_without_its_zeros(trace_id: bytes) -> None:
    assert parse_trace_id(trace_id.hex().lstrip("0")) == trace_id


@pytest.mark.parametrize(
    ("query", "window"),
    [
        ("", None),
        ("start=5", None),
        ("start=5&end=9", Window(5 * S, 9 * S)),
        ("start=-5&end=9", Window(-5 * S, 9 * S)),
        ("mode=all&blockStart=12345678-0000-0000-1235-000001240000&rf1After=2024-01-01T00:00:00Z", None),
    ],
)
def test_parameters_of_a_trace(query: str, window: Window | None) -> None:
    assert decode_trace("1", Arguments.of_query(query), "t") == TraceRequest("t", bytes(15) + b"\x01", window)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("start=x", 'invalid start: strconv.ParseInt: parsing "x": invalid syntax'),
        ("end=1.5", 'invalid end: strconv.ParseInt: parsing "1.5": invalid syntax'),
        ("start=5&end=2", "http parameter start must be before end. received start=5 end=2"),
        ("mode=bogus", "invalid value for mode bogus"),
        ("blockStart=x", "invalid value for blockstart: invalid UUID length: 1"),
        ("blockEnd=x", "invalid value for blockEnd: invalid UUID length: 1"),
        ("rf1After=x", "invalid rf1After: parsing time"),
    ],
)
def test_bad_parameters_of_a_trace(query: str, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_trace("1", Arguments.of_query(query), "t")
    assert str(caught.value).startswith(said)


def test_modes_say_where_to_look() -> None:
    found = {mode: decode_trace("1", Arguments({"mode": mode}), "t").places for mode in ("all", "ingesters", "blocks")}
    assert found == {"all": "all", "ingesters": "live", "blocks": "blocks"}


def test_external_mode_is_not_enabled() -> None:
    with pytest.raises(QueryFailed, match="external mode is not enabled"):
        decode_trace("1", Arguments({"mode": "external"}), "t")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("100ms", 100 * MS),
        ("1.2s", 1200 * MS),
        (".5s", 500 * MS),
        ("1h30m", 5400 * S),
        ("-2us", -2000),
        ("+1ns", 1),
        ("2µs3μs", 5000),
        ("1.0000000009s", S),
    ],
)
def test_go_durations(text: str, ns: int) -> None:
    assert parse_go_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'time: invalid duration ""'),
        ("x", 'time: invalid duration "x"'),
        (".", 'time: invalid duration "."'),
        ("-", 'time: invalid duration "-"'),
        ("10", 'time: missing unit in duration "10"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1s 2s", 'time: unknown unit "s " in duration "1s 2s"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
        ("9" * 40 + "s", f'time: invalid duration "{"9" * 40}s"'),
    ],
)
def test_bad_go_durations(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_go_duration(text)
    assert str(caught.value) == said


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_printed_duration_reads_back(ns: int) -> None:
    assert parse_go_duration(format_duration(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [("0", 0), ("1h30m", 5400 * S), ("5m", 300 * S), ("5ms", 5 * MS), ("1y2w3d", (365 + 14 + 3) * 86_400 * S)],
)
def test_prometheus_durations(text: str, ns: int) -> None:
    assert parse_prometheus_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty duration string"),
        ("1.5h", 'not a valid duration string: "1.5h"'),
        ("-1h", 'not a valid duration string: "-1h"'),
        ("30m1h", 'not a valid duration string: "30m1h"'),
        ("400y", "duration out of range"),
        ("9" * 5000 + "s", "duration out of range"),
    ],
)
def test_bad_prometheus_durations(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_prometheus_duration(text)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1700000000", 1_700_000_000 * S),
        ("-5", 0),
        ("-" + "9" * 20 + ".0", 0),
        ("9999999999", LAST_NS),
        ("9" * 20 + ".0", LAST_NS),
        ("1700000000000000001", 1_700_000_000_000_000_001),
        ("1700000000.5", 1_700_000_000 * S + 500 * MS),
        ("1.0004", 1 * S),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123_456_789),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000 * S),
        ("1969-12-31T23:59:59.5Z", 0),
        ("0001-01-01T00:00:00+05:00", 0),
        ("9999-12-31T23:59:59-05:00", LAST_NS),
    ],
)
def test_moments(text: str, ns: int) -> None:
    assert parse_moment(text) == ns


@pytest.mark.parametrize("text", ["", "x", ".", "-.", "1..2", "2023-11-14", "2023-13-14T00:00:00Z", "9" * 25, "1e5"])
def test_bad_moments(text: str) -> None:
    with pytest.raises(ValueError):
        parse_moment(text)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_read_back(value: int) -> None:
    assert parse_integer(str(value), 64) == value


@pytest.mark.parametrize(("text", "bits"), [("2147483648", 32), ("-2147483649", 32), ("9" * 100, 64)])
def test_integers_out_of_range(text: str, bits: int) -> None:
    with pytest.raises(ValueError, match="value out of range"):
        parse_integer(text, bits)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [('a"b\\', '"a\\"b\\\\"'), ("\n\x01", '"\\n\\x01"'), ("é\u200b", '"é\\u200b"'), ("\U000e0001", '"\\U000e0001"')],
)
def test_quoted_text(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted


def test_the_first_of_several_parameters_counts() -> None:
    assert Arguments.of_query("a=1&a=2&b=%C3%A9+x").text("a") == "1"
    assert Arguments.of_query("a=1&a=2&b=%C3%A9+x").text("b") == "é x"
    assert Arguments.of_lists({"a": [b"\xff1", b"2"], "b": []}).text("a") == "\ufffd1"
