"""Parameters of range and instant queries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_metrics import align, decode_query_instant, decode_query_range, default_step
from tempo_dask.api.limits import HOUR_NS, RequestLimits
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.errors import BadRequest, QueryFailed, TempoDaskError

S = 1_000_000_000
NOW_NS = 1_700_000_000 * S
RATE = "{ } | rate()"


def decode(limits: RequestLimits | None = None, **values: Any) -> RangeRequest:
    return decode_query_range(_arguments(values), "t", NOW_NS, limits or RequestLimits())


def instant(limits: RequestLimits | None = None, **values: Any) -> RangeRequest:
    return decode_query_instant(_arguments(values), "t", NOW_NS, limits or RequestLimits())


def _arguments(values: dict[str, Any]) -> Arguments:
    return Arguments({name: str(value) for name, value in ({"q": RATE} | values).items()})


def refusal(limits: RequestLimits | None = None, **values: Any) -> tuple[type[TempoDaskError], str]:
    with pytest.raises(TempoDaskError) as caught:
        decode(limits, **values)
    return caught.type, str(caught.value)


def test_defaults() -> None:
    assert decode() == RangeRequest(
        "t", RATE, NOW_NS - NOW_NS % (15 * S) - HOUR_NS - 15 * S, _up(NOW_NS, 15), 15 * S, 100
    )


def _up(moment_ns: int, step_s: int) -> int:
    return -(-moment_ns // (step_s * S)) * step_s * S


@pytest.mark.parametrize(
    ("window_s", "step_s"), [(3600, 15), (24 * 3600, 360), (600, 2), (60, 1), (0, 1), (1200, 5), (2399, 5), (1199, 4)]
)
def test_default_steps(window_s: int, step_s: int) -> None:
    assert default_step(window_s * S) == step_s * S


@pytest.mark.parametrize(
    ("start", "end", "step", "samples"),
    [(0, 60, 60, [0, 60]), (5, 55, 30, [0, 30, 60]), (60, 60, 60, [60]), (61, 61, 60, [60, 120])],
)
def test_alignment_gives_the_start_its_own_sample(start: int, end: int, step: int, samples: list[int]) -> None:
    """Sample i carries the right edge of interval i."""
    first, last = align(start, end, step)
    assert list(range(first + step, last + step, step)) == samples


@given(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(1, 10**4))
def test_aligned_windows_lie_on_steps_and_cover_what_was_asked(start: int, length: int, step: int) -> None:
    first, last = align(start, start + length, step)
    assert first % step == last % step == 0
    assert first + step <= start < first + 2 * step
    assert last - step < start + length <= last


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"step": "x"}, 'rpc error: code = Code(400) desc = cannot parse "x" to a valid duration'),
        ({"step": "1d"}, 'rpc error: code = Code(400) desc = cannot parse "1d" to a valid duration'),
        ({"step": "nan"}, 'rpc error: code = Code(400) desc = cannot parse "nan" to a valid duration'),
        ({"step": "1_0"}, 'rpc error: code = Code(400) desc = cannot parse "1_0" to a valid duration'),
        ({"step": "0"}, "step of 0s is too small, minimum step for given range is 360ms"),
        ({"step": "100ms"}, "step of 100ms is too small, minimum step for given range is 360ms"),
        ({"step": "-1"}, "start required"),
        ({"start": "200", "end": "100"}, "end must be greater than start"),
        ({"start": "0", "end": "100"}, "start required"),
        ({"q": ""}, "parse error : syntax error: unexpected $end"),
        ({"q": "{ }"}, "not a metrics query"),
        ({"q": "{ } | count() > 1"}, "not a metrics query"),
        ({"q": "{ } | rate("}, "parse error at line 1, col 12: syntax error: unexpected $end, expecting )"),
        (
            {"q": "{ } | quantile_over_time(duration, 2)"},
            "compiling query: quantile must be between 0 and 1: 2",
        ),
    ],
)
def test_refusals(values: dict[str, str], text: str) -> None:
    assert refusal(**values) == (BadRequest, text)


@pytest.mark.parametrize("name", ["start", "end", "since"])
def test_unreadable_times_fail_from_inside(name: str) -> None:
    assert refusal(**{name: "x"}) == (QueryFailed, "end must be greater than start")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"step": "x", "start": "200", "end": "100"}, 'cannot parse "x" to a valid duration'),
        ({"step": "0", "start": "200", "end": "100"}, "end must be greater than start"),
        ({"step": "0", "q": "{"}, "step of 0s is too small"),
        ({"step": "-1", "q": "{"}, "parse error at line 1, col 2"),
        ({"step": "-1", "q": "{ }"}, "not a metrics query"),
    ],
)
def test_order_of_checks(values: dict[str, str], text: str) -> None:
    assert text in refusal(**values)[1]


@pytest.mark.parametrize(
    ("text", "step_ns"),
    [("15", 15 * S), ("0.5", S // 2), ("1m30s", 90 * S), ("1e2", 100 * S), ("500ms", S // 2), ("1h", HOUR_NS)],
)
def test_steps(text: str, step_ns: int) -> None:
    assert decode(step=text).step_ns == step_ns


@pytest.mark.parametrize(
    "values",
    [
        {"start": "1699990000", "end": "1699990600"},
        {"start": "1699990000000000000", "end": "1699990600000000000"},
        {"start": "1699990000.0", "end": "1699990600.000"},
        {"start": "2023-11-14T19:26:40Z", "end": "2023-11-14T20:36:40+01:00"},
        {"start": "2023-11-14T19:26:40.000000000Z", "end": "1699990600"},
    ],
)
def test_times_in_every_spelling(values: dict[str, str]) -> None:
    found = decode(step="10m", **values)
    assert (found.start_ns, found.end_ns) == align(1_699_990_000 * S, 1_699_990_600 * S, 600 * S)


def test_an_end_in_the_future_is_pulled_back() -> None:
    assert decode(step="1", end=NOW_NS // S + 60).end_ns == NOW_NS


def test_q_wins_over_query() -> None:
    assert decode(q="{ } | rate()", query="{").query == "{ } | rate()"
    assert decode(q="", query="{ } | count_over_time()").query == "{ } | count_over_time()"


def test_a_range_has_no_cap_unless_one_is_set() -> None:
    assert decode(since="30d").step_ns == 10_800 * S
    limits = RequestLimits(max_metrics_ns=3 * HOUR_NS)
    text = "metrics query time range exceeds the maximum allowed duration of 3h0m0s"
    assert refusal(limits, since="3h") == (BadRequest, text)
    assert decode(limits, start=NOW_NS // S - 3 * 3600 + 120, step=60).end_ns
    assert instant(limits, since="3h").step_ns == 3 * HOUR_NS


@pytest.mark.parametrize(("asked", "given"), [("", 100), ("0", 100), ("-3", 100), ("x", 100), ("7", 7), ("1000", 100)])
def test_exemplars(asked: str, given: int) -> None:
    assert decode(exemplars=asked).exemplars == given


@pytest.mark.parametrize(
    ("asked", "cap", "given"), [("", 0, 0), ("5", 0, 5), ("5", 3, 3), ("3", 5, 3), ("x", 5, 5), ("-1", 0, 0)]
)
def test_max_series(asked: str, cap: int, given: int) -> None:
    assert decode(RequestLimits(max_series=cap), maxSeries=asked).max_series == given


def test_an_instant_query_is_one_interval() -> None:
    assert instant(start=100, end=350, step="bad") == RangeRequest("t", RATE, 100 * S, 350 * S, 250 * S, 0)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"q": ""}, "compiling query: parse error : syntax error: unexpected $end"),
        ({"q": "{ }"}, "not a metrics query"),
        ({"start": "5", "end": "2"}, "end must be greater than start"),
        ({"start": "x"}, "end must be greater than start"),
    ],
)
def test_instant_refusals(values: dict[str, str], text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        instant(**values)
    assert str(caught.value) == text
