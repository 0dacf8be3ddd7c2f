"""What an explanation says of a search: its stages, what is pruned and why, what is read, and how long it took."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tempo_dask.api.encode_explain import encode_explanation
from tempo_dask.cli.explain import explanation_text
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.explain import Explanation
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import SearchRequest, Window
from tests.engine.recorded import TENANT, Fixed, chunk_of, records

EVER = Window(0, 2**62)


@pytest.fixture(scope="module")
def engine(shared: Path) -> Iterator[Engine]:
    """Return an engine over two live chunks of small units; some traces lie in both."""
    bodies = records(shared / "conformance" / "traces.rec.gz")[:100]
    executor = LocalExecutor(2)
    yield Engine(
        Fixed(chunk_of(bodies[:60], "one", unit_spans=60), chunk_of(bodies[50:], "two", unit_spans=60)), executor
    )
    executor.close()


def explained(engine: Engine, query: str, window: Window = EVER) -> Explanation:
    return asyncio.run(engine.explain(SearchRequest(TENANT, query, window)))


def test_stages_sources_and_columns(engine: Engine) -> None:
    found = explained(engine, "{ status=error } | {span.http.method = `GET`} | count()>0")
    assert found.query == '{ status = error } | { span.http.method = "GET" } | count() > 0'
    assert found.stages == ("{ (status = error) && (span.http.method = `GET`) }", "count() > 0")
    assert [(source.id.partition("-")[0], source.kind) for source in found.sources] == [
        ("one", "live"),
        ("two", "live"),
        ("stitched", "stitched"),
    ]
    assert found.sources[0].split_traces == found.sources[1].split_traces == found.sources[2].traces > 0
    assert all(source.units_scanned == source.units and not source.why for source in found.sources)
    assert found.costs["match"].columns.keys() >= {("spans", "status"), ("traces", "span_count")}
    assert ("spans", "duration_ns") not in found.costs["match"].columns
    assert found.costs["match"].tasks >= 1
    assert found.graph_tasks >= 2
    assert found.seconds.keys() == {"snapshot", "plan", "match", "display"}
    assert found.metrics.inspected_bytes == sum(cost.bytes for cost in found.costs.values())


def test_what_is_pruned_says_why(engine: Engine) -> None:
    absent = explained(engine, "{ span.absent = 1 }")
    assert {source.why for source in absent.sources} == {"its metadata has nothing for { span.absent = 1 }"}
    assert absent.metrics.inspected_bytes == absent.graph_tasks == 0
    early = explained(engine, "{ }", Window(0, 1))
    assert {source.why for source in early.sources} == {"outside the window"}
    assert {source.why for source in explained(engine, "{ false }").sources} == {"the query can match nothing"}


def test_it_is_told_in_lines(engine: Engine) -> None:
    found = explained(engine, "{ status = error }")
    lines = list(explanation_text(json.loads(encode_explanation(found))))
    assert lines[0] == "query     { status = error }"
    assert "stage     { status = error }" in lines
    assert any(line.startswith("source    live one-") and line.endswith("units scanned") for line in lines)
    assert any(line.startswith("  column  spans.status ") for line in lines)
    assert lines[-1] == f"found     {found.traces} traces"
