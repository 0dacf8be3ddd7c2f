"""`/api/metrics/summary`: what it counts is what the spans of the same search are."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving import ServerProcess

PATH = "/api/metrics/summary"
WINDOW: dict[str, Any] = {"start": 1767225600, "end": 1767229200}


def instants(server: ServerProcess, query: str) -> dict[str, float]:
    """Return the values of an instant query by the name in their labels."""
    series = server.ask("/api/metrics/query", q=query, **WINDOW).json.get("series", [])
    return {one["labels"][0]["value"].get("stringValue", ""): one.get("value", 0) for one in series}


def test_groups_have_their_spans_errors_and_durations(recorded_server: ServerProcess) -> None:
    rows = recorded_server.ask(PATH, q="{ kind = server }", groupBy="name", limit=10, **WINDOW).json["summaries"]
    found = {row["series"][0]["value"]["s"]: row for row in rows}
    spans = instants(recorded_server, "{ kind = server } | count_over_time() by (name)")
    errors = instants(recorded_server, "{ kind = server && status = error } | count_over_time() by (name)")
    half = instants(recorded_server, "{ kind = server } | quantile_over_time(duration, .5) by (name)")
    assert len(spans) > 3
    assert any(errors.values())
    assert {name: int(row["spanCount"]) for name, row in found.items()} == spans
    assert {name: int(row.get("errorSpanCount", 0)) for name, row in found.items()} == dict.fromkeys(spans, 0) | errors
    for name, row in found.items():
        assert row["series"] == [{"key": "name", "value": {"type": 5, "s": name}}]
        assert int(row["p50"]) == pytest.approx(half[name] * 1e9, rel=1e-6)
        assert int(row["p50"]) <= int(row["p90"]) <= int(row["p95"]) <= int(row["p99"])


def test_without_groups_it_is_one_row(recorded_server: ServerProcess) -> None:
    [row] = recorded_server.ask(PATH, **WINDOW).json["summaries"]
    [total] = recorded_server.ask("/api/metrics/query", q="{} | count_over_time()", **WINDOW).json["series"]
    assert (int(row["spanCount"]), "series" in row) == (total["value"], False)


def test_two_groups_are_keyed_as_they_are_spelled(recorded_server: ServerProcess) -> None:
    rows = recorded_server.ask(PATH, q="{}", groupBy="resource.service.name, status", **WINDOW).json["summaries"]
    assert {tuple(one["key"] for one in row["series"]) for row in rows} == {("resource.service.name", "status")}


def test_nothing_is_an_empty_object(recorded_server: ServerProcess) -> None:
    answer = recorded_server.ask(PATH, q='{ name = "no such name" }', groupBy="name", **WINDOW)
    assert (answer.status, answer.content_type, answer.text) == (200, "application/json", "{}")


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"q": "{"}, "invalid TraceQL query: parse error at line 1, col 2: syntax error: unexpected $end"),
        ({"q": "{} | rate()"}, "invalid TraceQL query: expected a query for spans, found one for metrics"),
        ({"q": "{}", "groupBy": "bogus"}, "invalid groupBy: "),
        ({"q": "{}", "groupBy": ".a,.b,.c,.d,.e,.f"}, "max group by 5 values are supported"),
    ],
)
def test_refusals(recorded_server: ServerProcess, parameters: dict[str, str], text: str) -> None:
    answer = recorded_server.ask(PATH, **parameters)
    assert answer.status == 400
    assert answer.text.startswith(text)
