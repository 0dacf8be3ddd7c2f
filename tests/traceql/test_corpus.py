"""Each query of the corpus becomes what its file says."""

from __future__ import annotations

import pytest

from tests.traceql.corpus import Case, Outcome, judge, read_corpus
from traceql import TraceQLError, advise, format_query, parse, require_valid, simplify, validate

CASES = read_corpus()
VALID = [case for case in CASES if case.outcome is Outcome.VALID]
REFUSED = [case for case in CASES if case.outcome is not Outcome.VALID]


def test_corpus_is_large() -> None:
    assert len(CASES) >= 700
    assert len({case.area for case in CASES}) >= 15
    assert {case.outcome for case in CASES} == set(Outcome)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_outcome(case: Case) -> None:
    assert judge(case.query) == (case.outcome, case.expected)


@pytest.mark.parametrize("case", VALID, ids=str)
def test_canonical_text_means_the_same(case: Case) -> None:
    query = parse(case.query)
    assert parse(case.expected) == query
    assert format_query(parse(case.expected)) == case.expected


@pytest.mark.parametrize("case", VALID, ids=str)
def test_simplified_query_is_a_valid_query(case: Case) -> None:
    simple = simplify(parse(case.query))
    assert validate(simple) == ()
    assert parse(format_query(simple)) == simple
    assert simplify(simple) == simple


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refusal_says_where(case: Case) -> None:
    with pytest.raises(TraceQLError) as caught:
        require_valid(parse(case.query))
    error = caught.value
    assert advise(case.query, error).startswith(case.expected)
    if "integer divide by zero" not in error.message:
        assert error.column == 1 + error.position.start
        assert 0 <= error.position.start <= error.position.end <= len(case.query)
