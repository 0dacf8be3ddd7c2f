"""A server with the recorded traces answers as Tempo did, from memory and from blocks."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Comparison
from tests.serving import COMPILATIONS

pytestmark = pytest.mark.xdist_group("recorded")

#: What must agree, in per cent, by group. What differs on purpose is told in docs/differences.md.
LEAST = {"trace.get": 100, "trace.bad": 100, "trace.window": 100, "search.all": 90, "search.attr": 90}


@pytest.mark.parametrize("group", LEAST)
def test_answers_agree(comparison: Comparison, group: str) -> None:
    cases = comparison.of_group(group)
    found = comparison.differing(cases)
    agreeing = 100 * (len(cases) - len(found)) / len(cases)
    assert agreeing >= LEAST[group], "\n".join(f"{number} {why}" for number, why in found.items())


def test_refusals_agree_to_the_letter(comparison: Comparison) -> None:
    refused = [case for case in comparison.cases if case["status"] == 400 and not case["group"].startswith("tag")]
    assert len(refused) > 100
    assert comparison.differing(refused) == {}


def test_bad_query_says_line_column_and_what_was_expected(comparison: Comparison) -> None:
    answer = comparison.server.ask("/api/search", q="{ .a = 1 }\n>")
    expected = "invalid TraceQL query: parse error at line 2, col 2: syntax error: unexpected $end, expecting { or ("
    assert (answer.status, answer.text, answer.content_type) == (400, expected, "text/plain; charset=utf-8")


def test_nothing_was_compiled_for_any_query(comparison: Comparison) -> None:
    """All recorded requests were asked, whatever came back: kernels are compiled before the server starts."""
    assert comparison.server.metric(COMPILATIONS) == 0
