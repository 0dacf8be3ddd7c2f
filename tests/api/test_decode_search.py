"""Parameters of the search: what they ask for, and Tempo's texts where they are wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_search import decode_search
from tempo_dask.api.decode_tags import parse_logfmt
from tempo_dask.api.limits import HOUR_NS, RequestLimits
from tempo_dask.engine.requests import SearchRequest, Window
from tempo_dask.errors import BadRequest

NOW_S = 1_700_000_000
S = 1_000_000_000
NOW_NS = NOW_S * S + 5


def decode(limits: RequestLimits | None = None, **values: Any) -> SearchRequest:
    arguments = Arguments({name: str(value) for name, value in values.items()})
    return decode_search(arguments, "t", NOW_NS, limits or RequestLimits())


def refusal(limits: RequestLimits | None = None, **values: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        decode(limits, **values)
    return str(caught.value)


def test_defaults() -> None:
    assert decode() == SearchRequest("t", "", Window(NOW_NS - 900 * S, NOW_NS), 20, 3)
    assert decode(spss=0).spans_per_set == 3


def test_an_empty_value_counts_as_absent() -> None:
    assert decode(q="", limit="", spss="", start="", end="", since="") == decode()


def test_everything_given() -> None:
    assert decode(q="{ .a = 1 }", limit=7, spss=0, start=100, end=200) == SearchRequest(
        "t", "{ .a = 1 }", Window(100 * S, 200 * S), 7, 3
    )


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"limit": "0"}, "invalid limit: must be a positive number"),
        ({"limit": "-1"}, "invalid limit: must be a positive number"),
        ({"limit": "x"}, 'invalid limit: strconv.Atoi: parsing "x": invalid syntax'),
        ({"limit": "9" * 30}, f'invalid limit: strconv.Atoi: parsing "{"9" * 30}": value out of range'),
        ({"limit": "262145"}, "limit 262145 exceeds max limit 262144"),
        ({"spss": "-1"}, "invalid spss: must be a non-negative number"),
        ({"spss": "1.5"}, 'invalid spss: strconv.Atoi: parsing "1.5": invalid syntax'),
        ({"spss": "101"}, "spans per span set exceeds 100. received 101"),
        ({"start": "x", "end": "2"}, 'invalid start: strconv.ParseInt: parsing "x": invalid syntax'),
        ({"start": "x", "since": "1h"}, 'invalid start: strconv.ParseInt: parsing "x": invalid syntax'),
        (
            {"start": "1", "end": "4294967296"},
            'invalid end: strconv.ParseInt: parsing "4294967296": value out of range',
        ),
        ({"start": "5", "end": "2"}, "http parameter start must be before end. received start=5 end=2"),
        ({"start": "5", "end": "5"}, "http parameter start must be before end. received start=5 end=5"),
        ({"start": "5"}, "http parameter start must be before end. received start=5 end=0"),
        ({"start": "-1", "end": "3"}, "http parameter start must be before end. received start=4294967295 end=3"),
        (
            {"end": "5"},
            "error parsing date range: only one of start and end provided: must provide both or neither",
        ),
        (
            {"since": "1x"},
            "error parsing date range: could not parse 'since' parameter: not a valid duration string: \"1x\"",
        ),
        ({"minDuration": "x"}, 'invalid minDuration: time: invalid duration "x"'),
        ({"maxDuration": "1d"}, 'invalid maxDuration: time: unknown unit "d" in duration "1d"'),
        ({"minDuration": "2s", "maxDuration": "1s"}, "invalid maxDuration: must be greater than minDuration"),
        ({"q": "{}", "tags": "a=b"}, "invalid request: can't specify tags and q in the same query"),
        ({"tags": "a=b a=c"}, "invalid tags: tag a has been set twice"),
        ({"tags": "=b"}, "invalid tags: unexpected '=' at pos 1"),
        ({"tags": 'a="bc'}, "invalid tags: unterminated quoted value at pos 5"),
        ({"q": "{ not_a = 1 }"}, "invalid TraceQL query: parse error at line 1, col 3: unknown identifier: not_a"),
        ({"q": "{ status > ok }"}, "invalid TraceQL query: illegal operation for the given types: status > ok"),
        (
            {"start": "1000", "end": str(1000 + 169 * 3600)},
            "range specified by start and end exceeds 168h0m0s. received start=1000 end=609400",
        ),
    ],
)
def test_refusals(values: dict[str, str], text: str) -> None:
    assert refusal(**values) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"limit": "999999", "q": "{"}, "limit 999999 exceeds max limit 262144"),
        ({"q": "{", "end": "5"}, "invalid TraceQL query: parse error at line 1, col 2: syntax error: unexpected $end"),
        (
            {"q": "{ 1 }", "end": "5"},
            "error parsing date range: only one of start and end provided: must provide both or neither",
        ),
        (
            {"q": "{ 1 }", "since": "200h"},
            "invalid TraceQL query: span filter field expressions must resolve to a boolean: { 1 }",
        ),
    ],
)
def test_order_of_checks(values: dict[str, str], text: str) -> None:
    assert refusal(**values) == text


def test_range_comes_before_spans_per_set() -> None:
    assert refusal(since="200h", spss=1000).startswith("range specified by start and end exceeds 168h0m0s.")


def test_a_query_has_a_bounded_size() -> None:
    fits = "{ }" + " " * (131_072 - 3)
    assert decode(q=fits).query == fits
    assert refusal(q=fits + " ").startswith("TraceQL expression exceeds the configured maximum size of 131072 bytes, ")


@pytest.mark.parametrize(
    ("values", "window"),
    [
        ({"since": "1h"}, Window(NOW_NS - HOUR_NS, NOW_NS)),
        ({"since": "1d12h", "start": "1", "end": "2"}, Window(NOW_NS - 36 * HOUR_NS, NOW_NS)),
        ({"start": str(NOW_S - 60), "end": str(NOW_S + 60)}, Window((NOW_S - 60) * S, NOW_NS)),
        ({"start": str(NOW_S + 30), "end": str(NOW_S + 60)}, Window(NOW_NS - 900 * S, NOW_NS)),
    ],
)
def test_windows(values: dict[str, str], window: Window) -> None:
    assert decode(**values).window == window


def test_the_end_may_be_held_back() -> None:
    limits = RequestLimits(end_cutoff_ns=10 * S)
    assert decode(limits).window.end_ns == decode(limits, since="1h").window.end_ns == NOW_NS - 10 * S


def test_caps_of_zero_are_none() -> None:
    limits = RequestLimits(max_traces=0, max_spans_per_set=0, max_search_ns=0, max_query_bytes=0)
    assert decode(limits, limit=10**9, spss=10**6, since="9000h").limit == 10**9


def test_durations_beside_a_query_are_checked_and_ignored() -> None:
    assert decode(q="{ }", minDuration="1ms", maxDuration="1ms") == decode(q="{ }")


def test_tags_and_durations_without_a_query() -> None:
    asked = decode(tags='a=b c="d e" f', minDuration="1.5ms", maxDuration="2s")
    assert asked.query == ""
    assert asked.tags == (("a", "b"), ("c", "d e"), ("f", ""))
    assert (asked.min_duration_ns, asked.max_duration_ns) == (1_500_000, 2 * S)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", {}),
        ("  a=b  c=d ", {"a": "b", "c": "d"}),
        ('k2="v 2" x="a\\"b"', {"k2": "v 2", "x": 'a"b'}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("service.name=shop http.url=/a?b", {"service.name": "shop", "http.url": "/a?b"}),
    ],
)
def test_logfmt(text: str, tags: dict[str, str]) -> None:
    assert parse_logfmt(text) == tags


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert parse_logfmt('a="\\ud800"') == {"a": "?"}


@given(st.text(st.sampled_from('ab="\\ \n'), max_size=12))
def test_logfmt_gives_clean_keys_or_a_reason(text: str) -> None:
    try:
        tags = parse_logfmt(text)
    except ValueError:
        tags = {}
    assert all(key and not set(key) & set(' \n="') for key in tags)
