"""Answers from which something is missing say so, traces are as large as they may be, and searches are explained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tempo_dask.api.encode_trace import encode_trace_protobuf
from tempo_dask.api.pb.tempo_pb2 import TraceByIDResponse
from tempo_dask.api.trace_size import cut_to_fit, require_fitting
from tempo_dask.engine.requests import SearchRequest, TraceRequest
from tempo_dask.engine.results import QueryMetrics, SearchResult, TraceResult
from tempo_dask.errors import TooLarge
from tempo_dask.kernels.otlp import decode
from tests.api.conftest import Served
from tests.engine.recorded import records

WHY = "block b1 cannot be read: cut\nshort"


async def test_a_partial_answer_says_why_in_a_header(served: Served) -> None:
    served.engine.found = SearchResult((), QueryMetrics(total_jobs=2, completed_jobs=1, partial=WHY))
    answer = await served.fetch("/api/search?q=%7B%7D")
    assert answer.headers["X-Tempo-Partial"] == WHY.replace("\n", "?")
    assert json.loads(answer.body)["metrics"] == {"totalJobs": 2, "completedJobs": 1}
    served.engine.found = SearchResult((), QueryMetrics())
    assert "X-Tempo-Partial" not in (await served.fetch("/api/search?q=%7B%7D")).headers


async def test_a_partial_trace_has_a_status_and_a_message(served: Served) -> None:
    served.engine.one = TraceResult(None, QueryMetrics(partial=WHY), WHY)
    answer = await served.fetch("/api/v2/traces/1")
    assert json.loads(answer.body) == {"trace": {}, "metrics": {}, "status": "PARTIAL", "message": WHY}
    answer = await served.fetch("/api/v2/traces/1", headers={"Accept": "application/protobuf"})
    message = TraceByIDResponse.FromString(answer.body)
    assert (message.status, message.message) == (1, WHY)


@pytest.fixture(scope="module")
def trace(shared: Path) -> TraceResult:
    bodies = records(shared / "conformance" / "traces.rec.gz")
    return TraceResult(decode([max(bodies, key=len)]), QueryMetrics())


def test_a_large_trace_is_refused(trace: TraceResult) -> None:
    assert trace.tables is not None
    size_bytes = len(encode_trace_protobuf(trace.tables))
    require_fitting(trace, 0)
    require_fitting(trace, size_bytes)
    with pytest.raises(TooLarge, match=rf"^trace exceeds max size \(max bytes: {size_bytes - 1}\)$"):
        require_fitting(trace, size_bytes - 1)


def test_a_large_trace_is_cut_to_its_first_spans(trace: TraceResult) -> None:
    assert trace.tables is not None
    size_bytes = len(encode_trace_protobuf(trace.tables))
    assert cut_to_fit(trace, size_bytes) is trace
    cut = cut_to_fit(trace, size_bytes // 2)
    assert cut.tables is not None
    assert cut.message == f"Trace exceeds maximum size of {size_bytes // 2} bytes, a partial trace is returned"
    assert 0 < len(encode_trace_protobuf(cut.tables)) <= size_bytes // 2
    kept = cut.tables.spans.column("span_id").to_pylist()
    assert kept == trace.tables.spans.column("span_id").to_pylist()[: len(kept)]
    assert cut_to_fit(replace(trace, message="first"), 1).message.startswith("first; Trace exceeds")


async def test_paths_into_one_process_answer_for_all(served: Served) -> None:
    await served.fetch("/querier/api/search?q=%7B%7D")
    await served.fetch("/querier/api/v2/traces/1")
    search, trace = served.engine.asked
    assert isinstance(search, SearchRequest)
    assert isinstance(trace, TraceRequest)
    assert (search.window.start_ns, search.window.end_ns) == (0, 1_700_000_000_000_000_000)


async def test_explain_takes_the_parameters_of_a_search(served: Served) -> None:
    answer = await served.fetch("/api/explain?q=%7B%7D&limit=7")
    assert json.loads(answer.body) == {
        "query": "{}",
        "stages": ["{ }"],
        "sources": [],
        "seconds": {"match": 0.25},
        "passes": {},
        "graphTasks": 3,
        "traces": 0,
        "metrics": {},
    }
    (asked,) = served.engine.asked
    assert isinstance(asked, SearchRequest)
    assert asked.limit == 7
    assert (await served.fetch("/api/explain?q=%7B")).code == 400
