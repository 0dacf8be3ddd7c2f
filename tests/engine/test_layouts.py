"""The same question over the same spans: the same bytes, however they lie and however many threads look."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.block.files import MemoryFiles
from storage.block.reader import Block
from storage.block.writer import Origin, write_block
from storage.merge import merge
from tempo_dask.api.encode_search import encode_search_json
from tempo_dask.api.encode_tags import encode_tag_values_json, encode_tags_v2_json
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import SearchRequest, TagNamesRequest, TagValuesRequest, Window
from tempo_dask.engine.results import QueryMetrics
from tempo_dask.kernels.otlp import decode
from tests.engine.recorded import TENANT, Fixed, chunk_of, records
from traceql import parse_attribute

EVER = Window(0, 2**62)
QUERIES = (
    "{ }",
    "{ status = error }",
    '{ resource.service.name = "cart" && duration > 10ms } | select(name, event:name)',
    "{ kind = server } >> { status = error }",
    "{ kind = client } !< { }",
    "{ } | by(resource.service.name) | count() > 1 | avg(duration) > 1ms",
    "{ span:childCount > 1 && nestedSetParent < 0 }",
    "{ traceDuration > 1s && rootName =~ `.*G.*` }",
    "",
)


@pytest.fixture(scope="module")
def engines(shared: Path) -> Iterator[tuple[Engine, Engine]]:
    """Return one thread over one chunk, and four over two blocks and two chunks; nearly every trace is split."""
    bodies = records(shared / "conformance" / "traces.rec.gz")[:150]
    blocks = []
    for part in range(2):
        encoded = write_block(merge([decode(bodies[part::4])]), Origin(f"b{part}", TENANT), unit_spans=100)
        blocks.append(Block.open(encoded.meta, MemoryFiles(encoded.files)))
    chunks = [chunk_of(bodies[part::4] + bodies[part::8], f"c{part}", unit_spans=70) for part in (2, 3)]
    one, four = LocalExecutor(1), LocalExecutor(4)
    yield Engine(Fixed(chunk_of(bodies, "whole")), one), Engine(Fixed(*chunks, *blocks), four)
    one.close()
    four.close()


def free(result: Any) -> Any:
    """Return a result without what it cost."""
    return replace(result, metrics=QueryMetrics())


@pytest.mark.parametrize("limit", [3, 1000])
@pytest.mark.parametrize("query", QUERIES)
def test_searches(engines: tuple[Engine, Engine], query: str, limit: int) -> None:
    request = SearchRequest(TENANT, query, EVER, limit, spans_per_set=100)
    one, four = (encode_search_json(free(asyncio.run(engine.search(request)))) for engine in engines)
    assert one == four
    assert len(one) > 200


@pytest.mark.parametrize("query", ["", "{ status = error && kind = server }"])
def test_tags(engines: tuple[Engine, Engine], query: str) -> None:
    names = TagNamesRequest(TENANT, EVER, query=query)
    one, four = (encode_tags_v2_json(free(asyncio.run(engine.tag_names(names)))) for engine in engines)
    assert one == four
    for attribute in ("name", "span.http.status_code", "rootName", "event:name"):
        values = TagValuesRequest(TENANT, parse_attribute(attribute), EVER, query)
        one, four = (encode_tag_values_json(free(asyncio.run(engine.tag_values(values)))) for engine in engines)
        assert one == four
