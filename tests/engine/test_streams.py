"""Answers in parts: together they are the whole answer, and nothing is told twice or taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path
from typing import TypeVar

import pytest

from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import KeyValuesRequest, SearchRequest, TagNamesRequest, TagValuesRequest, Window
from tests.engine.recorded import TENANT, Fixed, chunk_of, records
from traceql import parse_attribute

T = TypeVar("T")
EVER = Window(0, 2**62)


@pytest.fixture(scope="module")
def engine(shared: Path) -> Iterator[Engine]:
    """Return an engine over traces in some twenty units of two chunks, a few of them split."""
    bodies = records(shared / "conformance" / "traces.rec.gz")[:200]
    executor = LocalExecutor(2)
    chunks = [chunk_of(bodies[:120], "one", unit_spans=60), chunk_of(bodies[110:], "two", unit_spans=60)]
    yield Engine(Fixed(*chunks), executor)
    executor.close()


def told(parts: AsyncIterator[T]) -> list[T]:
    async def collect() -> list[T]:
        return [part async for part in parts]

    return asyncio.run(collect())


@pytest.mark.parametrize("limit", [1, 20, 1000])
@pytest.mark.parametrize("query", ["{ }", "{ status = error }", "{ } | by(name) | count() > 1", "{ span.no = 1 }", ""])
def test_traces_come_in_order_and_make_the_answer(engine: Engine, query: str, limit: int) -> None:
    request = SearchRequest(TENANT, query, EVER, limit)
    parts = told(engine.stream_search(request))
    assert tuple(chain.from_iterable(part.traces for part in parts)) == asyncio.run(engine.search(request)).traces
    assert all(part.traces for part in parts[:-1])
    costs = [(part.metrics.completed_jobs, part.metrics.inspected_bytes) for part in parts]
    assert costs == sorted(costs)


def test_traces_come_before_all_is_scanned(engine: Engine) -> None:
    parts = told(engine.stream_search(SearchRequest(TENANT, "{ }", EVER, limit=1000)))
    assert len(parts) > 2


@pytest.mark.parametrize("limit", [0, 3])
@pytest.mark.parametrize("query", ["", "{ status = error }"])
def test_names_come_once_and_make_the_answer(engine: Engine, query: str, limit: int) -> None:
    request = TagNamesRequest(TENANT, EVER, query=query, limit=limit)
    parts = told(engine.stream_tag_names(request))
    found = [(scope, name) for part in parts for scope, names in part.scopes.items() for name in names]
    whole = asyncio.run(engine.tag_names(request))
    assert len(found) == len(set(found))
    assert set(found) == {(scope, name) for scope, names in whole.scopes.items() for name in names}


@pytest.mark.parametrize("limit", [0, 3])
def test_values_come_once_and_make_the_answer(engine: Engine, limit: int) -> None:
    request = TagValuesRequest(TENANT, parse_attribute("name"), EVER, "{ status = error }", limit)
    found = [value for part in told(engine.stream_tag_values(request)) for value in part.values]
    assert found
    assert len(found) == len(set(found))
    assert set(found) == set(asyncio.run(engine.tag_values(request)).values)


@pytest.mark.parametrize("key", ["name", "status.code", "http.status_code"])
def test_texts_come_once_and_make_the_answer(engine: Engine, key: str) -> None:
    request = KeyValuesRequest(TENANT, key, EVER)
    found = [text for part in told(engine.stream_key_values(request)) for text in part.values]
    assert found
    assert sorted(found) == list(asyncio.run(engine.key_values(request)).values)
