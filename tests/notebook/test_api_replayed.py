"""A store behind Tempo itself: its recorded answers, given again by a server of the test, read by our client."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from storage.merge import merge
from tempo_dask import ApiStore, connect
from tempo_dask.errors import BadRequest, NotFound, QueryFailed
from tempo_dask.kernels import otlp
from tempo_dask.notebook.trace import Trace
from tests.bench.fake_tempo import fake_tempo
from tests.engine.recorded import records
from traceql import TraceQLError

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = {"start": START, "end": START + timedelta(hours=1)}
#: What the recorded requests and ours ask differently for: numbers of traces and spans, and windows to the nanosecond.
_OWN = ("start", "end", "limit", "spss")
SEARCHES = ("{}", "{ status = error }", '{ .http.method = "GET" }', "{ } >> { }")
METRICS = (
    "{ } | rate()",
    "{ } | min_over_time(duration)",
    "{ } | quantile_over_time(duration, .5)",
    "{ } | rate() by (resource.service.name) | topk(3)",
)
#: How the lines begin that are read: all of them would be a hundred megabytes of JSON.
_BEGINNINGS = (
    b'"/api/v2/search/tags", "params": {"start"',
    *(f'"q": {json.dumps(q)}'.encode() for q in (*SEARCHES, *METRICS, "{ }")),
)


def _key(path: str, parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a request asks for; a step of 600 seconds is one of ten minutes."""
    asked = {name: value for name, value in parameters.items() if name not in _OWN}
    asked = {name: "10m" if (name, value) == ("step", "600") else value for name, value in asked.items()}
    return (path, *(f"{name}={value}" for name, value in sorted(asked.items())))


@dataclass
class Replay:
    """Answers as Tempo did, and notes what it was asked."""

    cases: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    whole_traces: dict[str, bytes] = field(default_factory=dict)  # protobuf, by the id in the path
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __call__(self, path: str, parameters: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append((path, parameters))
        if path == "/api/echo":
            return 200, b"echo"
        if path in self.whole_traces:
            return 200, self.whole_traces[path]
        case = self.cases.get(_key(path, parameters))
        if case is None:
            return 404, b""
        body = case["body"]
        return case["status"], body.encode() if isinstance(body, str) else orjson.dumps(body)


@pytest.fixture(scope="module")
def replay(shared: Path) -> Replay:
    found = Replay()
    with lzma.open(shared / "conformance" / "golden.jsonl.xz") as lines:
        cases = [orjson.loads(line) for line in lines if any(beginning in line[:300] for beginning in _BEGINNINGS)]
    for case in cases:
        if case["params"].get("limit", "1000") == "1000":
            found.cases.setdefault(_key(case["path"], case["params"]), case)
    return found


@pytest.fixture(scope="module")
def store(replay: Replay) -> Iterator[ApiStore]:
    with fake_tempo(replay) as url:
        yield connect(url)


def recorded(replay: Replay, path: str, query: str) -> dict[str, Any]:
    """Return what Tempo answered to a query."""
    body: dict[str, Any] = next(
        case["body"] for case in replay.cases.values() if case["path"] == path and case["params"].get("q") == query
    )
    return body


@pytest.mark.parametrize("query", SEARCHES)
def test_searches(store: ApiStore, replay: Replay, query: str) -> None:
    told = recorded(replay, "/api/search", query)["traces"]
    found = store.search(query, limit=1000, **WINDOW)
    assert len(found) == len(told) > 10
    assert sorted(found["trace_id"]) == sorted(trace["traceID"].zfill(32) for trace in told)
    assert found["start"].is_monotonic_decreasing
    by_id = found.set_index("trace_id")
    for trace in told:
        row = by_id.loc[trace["traceID"].zfill(32)]
        assert row["root_service"] == trace.get("rootServiceName", "")
        assert ("" if pd.isna(row["root_name"]) else row["root_name"]) == trace.get("rootTraceName", "")
        assert row["start"].value == int(trace["startTimeUnixNano"])
        assert row["duration"].value == trace.get("durationMs", 0) * 10**6


@pytest.mark.parametrize("query", METRICS)
def test_metrics(store: ApiStore, replay: Replay, query: str) -> None:
    told = recorded(replay, "/api/metrics/query_range", query)["series"]
    found = store.metrics(query, step=timedelta(minutes=10), **WINDOW)
    assert found.sizes["series"] == len(told)
    times = found["time"].to_numpy().astype("datetime64[ms]").astype(np.int64).tolist()
    seen = []
    for row, series in zip(found.to_numpy(), told, strict=True):
        samples = {int(sample["timestampMs"]): float(sample.get("value", 0)) for sample in series["samples"]}
        seen.extend((value, samples[time]) for time, value in zip(times, row, strict=True) if time in samples)
    assert len(seen) >= 5
    assert [ours for ours, _ in seen] == pytest.approx([theirs for _, theirs in seen])


def test_traces(store: ApiStore, replay: Replay, shared: Path) -> None:
    body = records(shared / "conformance" / "traces.rec.gz")[0]
    sent = Trace("", merge([otlp.decode([body])])).to_pandas()
    replay.whole_traces["/api/traces/abc"] = body  # Tempo's message of a trace has the same form
    pd.testing.assert_frame_equal(store.trace("abc").to_pandas(), sent)
    with pytest.raises(NotFound, match=f"there is no trace {'f' * 32} at http"):
        store.trace("f" * 32)


def test_tags(store: ApiStore, replay: Replay) -> None:
    found = store.tags(**WINDOW)
    told = next(case["body"] for key, case in replay.cases.items() if key == ("/api/v2/search/tags",))
    assert found == {scope["name"]: tuple(sorted(scope.get("tags", ()))) for scope in told["scopes"]}
    assert {"span", "resource", "intrinsic"} <= set(found)


def test_what_tempo_refuses(store: ApiStore, replay: Replay) -> None:
    with pytest.raises(TraceQLError):  # known before anybody is asked
        store.search("{", **WINDOW)
    with pytest.raises(BadRequest, match="answered 400: not a metrics query"):
        store.metrics("{ }", step=timedelta(minutes=10), **WINDOW)
    with pytest.raises(NotFound, match="does not explain queries"):
        store.explain("{ }", **WINDOW)


def test_a_search_asks_for_whole_seconds(store: ApiStore, replay: Replay) -> None:
    store.search("{}", limit=7, **WINDOW)
    path, parameters = replay.asked[-1]
    assert path == "/api/search"
    assert parameters == {"q": "{}", "limit": "7", "spss": "1", "start": "1767225600", "end": "1767229200"}


def test_an_answer_that_is_none(replay: Replay) -> None:
    with fake_tempo(lambda path, _parameters: (200, b"echo" if path == "/api/echo" else b"<html>")) as url:
        store = connect(url)
        with pytest.raises(QueryFailed, match="no JSON: is this Tempo's query API"):
            store.search("{ }", **WINDOW)
