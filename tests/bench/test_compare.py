"""Targets are asked in turn; what they answer is counted and compared, and what fails is told."""

from __future__ import annotations

import statistics
from xml.etree import ElementTree

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo_dask.bench import Kind, Pace, Results, Shape, Target, Window, compare, results_svg
from tempo_dask.bench.answers import Unreadable, counts_of, differences
from tempo_dask.bench.results import Spread, Taken
from tempo_dask.bench.results_table import complaints
from tempo_dask.bench.shapes import LIMIT
from tempo_dask.errors import BadRequest, Unavailable
from tests.bench.fake_tempo import fake_tempo

WINDOW = Window(1_000, 4_600)
SEARCH = Shape("errors", Kind.SEARCH, "{ status = error }")
RATE = Shape("rate", Kind.METRICS, "{ } | rate()")


def found(traces: int) -> bytes:
    return orjson.dumps({"traces": [{"traceID": f"{n:x}", "spanSets": [{"matched": 2}]} for n in range(traces)]})


def test_targets_are_asked_in_turn_and_a_second_earlier_each_round() -> None:
    asked: list[tuple[str, str]] = []

    def answer_as(name: str, path: str, start: str) -> tuple[int, bytes]:
        if path != "/api/echo":
            asked.append((name, start))
        return 200, found(3)

    with (
        fake_tempo(lambda path, given: answer_as("a", path, given.get("start", ""))) as a,
        fake_tempo(lambda path, given: answer_as("b", path, given.get("start", ""))) as b,
    ):
        told: list[str] = []
        results = compare([Target("a", a), Target("b", b)], [SEARCH], WINDOW, Pace(rounds=2), told.append)
    assert asked == [("a", "1000"), ("b", "1000"), ("b", "999"), ("a", "999"), ("a", "998"), ("b", "998")]
    assert told == ["errors"] * 6
    assert [(taken.target, len(taken.seconds), dict(taken.counts)) for taken in results.taken] == [
        ("a", 2, {"traces": 3, "spans": 6}),
        ("b", 2, {"traces": 3, "spans": 6}),
    ]
    assert not results.differing()
    assert not results.failing()
    assert Results.from_json(results.to_json()) == results
    assert [row["target"] for row in results.records()] == ["a", "b"]


def test_what_fails_and_what_differs_is_told() -> None:
    def broken(path: str, given: dict[str, str]) -> tuple[int, bytes]:
        return (400, b"metrics are off") if "query_range" in path else (200, found(1))

    def whole(path: str, given: dict[str, str]) -> tuple[int, bytes]:
        body = orjson.dumps({"series": [{"samples": [{"value": 1.5}, {}]}]})
        return 200, body if "query_range" in path else found(2)

    with fake_tempo(whole) as good, fake_tempo(broken) as bad:
        results = compare([Target("good", good), Target("bad", bad)], [SEARCH, RATE], WINDOW, Pace(rounds=1))
    assert list(complaints(results)) == [
        "errors: good and bad differ: traces 2 and 1, spans 4 and 2",
        "rate: bad failed 2 of 2 times: status 400: metrics are off",
    ]
    failed = results.failing()[0]
    assert (failed.spread, failed.seconds, failed.over(results.taken[2])) == (None, (None,), None)
    assert results.mean_ratio("bad") is not None, "the ratio is that of what was answered"
    assert "failed" in results_svg(results)


def test_a_target_that_does_not_answer_at_all_ends_it() -> None:
    with pytest.raises(Unavailable, match=r"no answer from http://127\.0\.0\.1:1"):
        compare([Target("nobody", "http://127.0.0.1:1")], [SEARCH], WINDOW)


def test_targets_have_names_of_their_own() -> None:
    with pytest.raises(BadRequest, match="different names"):
        compare([Target("a", "http://a"), Target("a", "http://b")], [SEARCH], WINDOW)
    assert Target.read("http://a:3200/") == Target("a:3200", "http://a:3200")
    assert Target.read("ours=https://a/tempo?x=1") == Target("ours", "https://a/tempo?x=1")
    with pytest.raises(BadRequest, match="expected"):
        Target.read("localhost:3200")


@pytest.mark.parametrize(
    ("kind", "answer", "counts"),
    [
        (Kind.SEARCH, {}, {"traces": 0, "spans": 0}),
        (Kind.SEARCH, {"traces": [{}] * LIMIT}, {"traces": LIMIT}),
        (Kind.SEARCH, {"traces": [{"spanSet": {"matched": 3}}]}, {"traces": 1, "spans": 3}),
        (Kind.METRICS, {"series": [{"samples": [{"value": "NaN"}, {"value": 2}]}]}, {"series": 1, "sum": 2}),
        (Kind.NAMES, {"scopes": [{"name": "intrinsic", "tags": ["x"]}, {"tags": ["a", "b"]}]}, {"names": 2}),
        (Kind.VALUES, {"tagValues": [{"value": "a"}]}, {"values": 1}),
        (Kind.TRACE, {"trace": {"resourceSpans": [{"scopeSpans": [{"spans": [{}, {}]}]}]}}, {"spans": 2}),
        (Kind.TRACE, {"batches": [{"scopeSpans": [{"spans": [{}]}]}]}, {"spans": 1}),
    ],
)
def test_answers_are_counted(kind: Kind, answer: object, counts: dict[str, float]) -> None:
    assert counts_of(kind, orjson.dumps(answer)) == counts


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status": "PARTIAL"}', b'{"series": 7, "traces": 7}'])
def test_what_is_no_answer_is_no_measurement(body: bytes) -> None:
    with pytest.raises(Unreadable):
        counts_of(Kind.METRICS, body)


def test_only_what_both_count_is_compared() -> None:
    assert differences({"traces": 20}, {"traces": 20, "spans": 5}) == ()
    assert differences({"series": 3, "sum": 100.0}, {"series": 3, "sum": 100.9}) == ()
    assert differences({"series": 3, "sum": 100.0}, {"series": 2, "sum": 102.0}) == ("series", "sum")


@settings(max_examples=50)
@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=9), st.floats(0.1, 10))
def test_ratios_are_taken_round_by_round(seconds: list[float], times: float) -> None:
    """A target that is slower by a factor in every round has just this ratio, however rounds differ."""
    one = Taken(SEARCH, "a", 1.0, tuple(seconds), {})
    other = Taken(SEARCH, "b", 1.0, tuple(times * value for value in seconds), {})
    ratio = other.over(one)
    assert ratio is not None
    assert ratio.low == pytest.approx(times)
    assert ratio.high == pytest.approx(times)
    spread = Spread.of(seconds)
    assert spread is not None
    assert spread.median == pytest.approx(statistics.median(seconds))
    assert spread.low <= spread.median <= spread.high


def test_the_picture_is_well_formed_and_names_all() -> None:
    shapes = [Shape(f"<{n}> & more", Kind.SEARCH, "{ }") for n in range(3)]
    taken = tuple(
        Taken(shape, name, 0.1, (0.01 * place, 0.02), {})
        for shape in shapes
        for place, name in enumerate(("a", "b"), start=1)
    )
    results = Results((Target("a", "http://a"), Target("b", "http://b")), WINDOW, taken, {"at": "now", "load": "0"})
    drawn = ElementTree.fromstring(results_svg(results))
    words = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert [shape.name for shape in shapes] == [word for word in words if word and word.startswith("<")]
    assert sum("10 | 20" in (word or "") or "15 | 20" in (word or "") for word in words) == 3
