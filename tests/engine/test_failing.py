"""`!x` of what is no boolean and `-x` of what is no number end a query, where the rest does not settle the matter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import SearchRequest, Window
from tempo_dask.errors import QueryFailed
from tests.engine.recorded import TENANT, Fixed, chunk_of
from tests.engine.spans import request_of
from tests.oracle_spans import Event, Link, Span

ATTRIBUTES: list[tuple[str, dict[str, object]]] = [
    ("a", {"i": 1, "b": True}),
    ("b", {"s": "x", "b": False}),
    ("c", {"i": True, "ints": [1, 2]}),
]
EVENTS = (Event("e", 1, {"n": 1}), Event("e", 2, {"n": "x"}))
SPANS = [
    Span(trace_id=f"{n:032x}", span_id=f"{n:016x}", name=name, attributes=attributes)
    for n, (name, attributes) in enumerate(ATTRIBUTES, start=1)
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    executor = LocalExecutor(1)
    yield Engine(Fixed(chunk_of([request_of(SPANS)])), executor)
    executor.close()


LINKS = (Link("aa" * 16, "bb" * 8),)
SPANS.append(Span(trace_id=f"{4:032x}", span_id=f"{4:016x}", name="d", events=EVENTS, links=LINKS))


def count(engine: Engine, query: str) -> int:
    return len(asyncio.run(engine.search(SearchRequest(TENANT, query, Window(-(2**62), 2**62)))).traces)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("{ !span.i }", "expression (!span.i) expected a boolean, but got TypeInt"),
        ("{ !.i }", "expression (!.i) expected a boolean, but got TypeInt"),
        ("{ !span.ints }", "expression (!span.ints) expected a boolean, but got TypeIntArray"),
        ("{ -span.s > 1 }", "expression (-span.s) expected a numeric, but got TypeString"),
        ("{ 1 - -span.b > 1 }", "expression (-span.b) expected a numeric, but got TypeBoolean"),
        ('{ name = "a" && !span.i }', "expression (!span.i) expected a boolean, but got TypeInt"),
        ('{ name = "c" || !span.i }', "expression (!span.i) expected a boolean, but got TypeInt"),
        ("{ !(!span.s) }", "expression (!span.s) expected a boolean, but got TypeString"),
        ("{ -event.n < -1 }", "expression (-event.n) expected a numeric, but got TypeString"),
    ],
)
def test_queries_that_fail(engine: Engine, query: str, error: str) -> None:
    with pytest.raises(QueryFailed) as failed:
        count(engine, query)
    assert str(failed.value) == error


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("{ !span.b }", 1),
        ("{ !span.absent }", 0),
        ('{ name = "c" && !span.i }', 0),
        ('{ name != "c" && name != "a" && !span.i }', 0),
        ('{ name = "a" || !span.i }', 1),
        ('{ name = "c" } | { !span.i }', 0),
        ("{ -span.i < 0 && name = `a` }", 1),
        ("{ -event.n < 0 }", 1),  # by its first event
        ("{ -link.absent = -link.absent }", 1),  # false is false, where there is a link
        ("{ -span.s > -link.absent }", 0),  # of no link
    ],
)
def test_queries_that_the_rest_settles(engine: Engine, query: str, found: int) -> None:
    assert count(engine, query) == found
