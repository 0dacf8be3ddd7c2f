"""A server with the recorded traces answers as Tempo did, from memory and from blocks."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from tests.conformance import streams
from tests.conformance.conftest import Comparison
from tests.serving import COMPILATIONS

#: What must agree, in per cent, by group. What differs on purpose is told in docs/differences.md.
LEAST = {
    "trace.get": 100,
    "trace.bad": 100,
    "trace.window": 100,
    "search.all": 90,
    "search.attr": 90,
    "search.tags": 100,
    "tags": 100,
    "tags.limit": 100,
    "tagvalues.v1": 100,
    "tagvalues.limit": 100,
    "tagvalues.filtered": 100,
}
#: The recorded names and values that are not ours, with the reasons of docs/differences.md.
DIFFERENT_TAGS = {
    **dict.fromkeys((541, 543), "filtered names are all there"),
    **dict.fromkeys((585, 586, 593, 594), "status and kind are keywords"),
    **dict.fromkeys((589, 590, 621), "durations are not listed"),
    **dict.fromkeys((608, 619, 620), "ids are not listed"),
    613: "spans below a missing parent are numbered",
}


@pytest.mark.parametrize("group", LEAST)
def test_answers_agree(comparison: Comparison, group: str) -> None:
    cases = comparison.of_group(group)
    found = comparison.differing(cases)
    agreeing = 100 * (len(cases) - len(found)) / len(cases)
    assert agreeing >= LEAST[group], "\n".join(f"{number} {why}" for number, why in found.items())


def test_refusals_agree_to_the_letter(comparison: Comparison) -> None:
    refused = [case for case in comparison.cases if case["status"] == 400]
    assert len(refused) > 100
    assert comparison.differing(refused) == {}


def test_tags_differ_only_where_they_are_meant_to(comparison: Comparison) -> None:
    tags = [case for case in comparison.cases if case["group"].startswith("tag")]
    assert len(tags) > 100
    assert comparison.differing(tags).keys() == DIFFERENT_TAGS.keys()


def test_bad_query_says_line_column_and_what_was_expected(comparison: Comparison) -> None:
    answer = comparison.server.ask("/api/search", q="{ .a = 1 }\n>")
    expected = "invalid TraceQL query: parse error at line 2, col 2: syntax error: unexpected $end, expecting { or ("
    assert (answer.status, answer.text, answer.content_type) == (400, expected, "text/plain; charset=utf-8")


def test_streams_agree(comparison: Comparison, shared: Path) -> None:
    """Which three of a trace's spans are shown, nobody promises (G12)."""
    with grpc.insecure_channel(comparison.server.addresses["grpc"]) as channel:
        found = dict(streams.differences(channel, streams.recorded_calls(shared)))
    assert found.keys() <= {"G12"}, found


def test_nothing_was_compiled_for_any_query(comparison: Comparison) -> None:
    """All recorded requests were asked, whatever came back: kernels are compiled before the server starts."""
    assert comparison.server.metric(COMPILATIONS) == 0
