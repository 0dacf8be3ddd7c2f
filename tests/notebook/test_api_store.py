"""A store behind the API answers as one that reads the blocks of the same server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tempo_dask import ApiStore, Store, connect, open_store
from tempo_dask.demo.shop import generate
from tempo_dask.errors import BadRequest, NotFound, QueryFailed, Unavailable
from tempo_dask.notebook import api_spans
from tempo_dask.tempo_client import TempoApi
from tests.notebook.conftest import END_NS, HOUR_NS
from tests.serving import ServerProcess
from traceql import ParseError

END = datetime.fromtimestamp(END_NS // 10**9, UTC)
WINDOW = {"start": END - timedelta(hours=1), "end": END}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served") / "data"


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Iterator[ServerProcess]:
    with ServerProcess(data_dir) as server:
        server.load(generate(3_000, end_ns=END_NS, span_of_time_ns=HOUR_NS, seed=5))
        server.flush()
        yield server


@pytest.fixture(scope="module")
def remote(server: ServerProcess) -> ApiStore:
    return connect(server.url)


@pytest.fixture(scope="module")
def local(server: ServerProcess, data_dir: Path) -> Store:
    """Return the same spans, read from the server's own `--data-dir` while it runs."""
    return open_store(data_dir)


def test_searches_agree(remote: ApiStore, local: Store) -> None:
    ours, theirs = (store.search("{ status = error }", limit=10, **WINDOW) for store in (local, remote))
    ours["duration"] = ours["duration"].dt.floor("ms")  # all that the API tells
    pd.testing.assert_frame_equal(ours, theirs)


def test_metrics_agree(remote: ApiStore, local: Store) -> None:
    query = "{ } | rate() by (resource.service.name)"
    ours, theirs = (store.metrics(query, step=timedelta(minutes=5), **WINDOW) for store in (local, remote))
    ours, theirs = (found.sortby("resource.service.name") for found in (ours, theirs))
    np.testing.assert_allclose(ours.to_numpy(), theirs.to_numpy())
    assert ours.coords["time"].equals(theirs.coords["time"])
    assert ours.coords["resource.service.name"].equals(theirs.coords["resource.service.name"])


def test_comparisons_agree(remote: ApiStore, local: Store) -> None:
    ours, theirs = (
        store.compare("{ status = error }", "{ kind = server }", **WINDOW).sort_values(["attribute", "value"])
        for store in (local, remote)
    )
    pd.testing.assert_frame_equal(ours.reset_index(drop=True), theirs.reset_index(drop=True))


def test_traces_and_tags_agree(remote: ApiStore, local: Store) -> None:
    trace_id = remote.search(limit=1, **WINDOW)["trace_id"][0]
    pd.testing.assert_frame_equal(remote.trace(trace_id).to_pandas(), local.trace(trace_id).to_pandas())
    assert remote.tags(**WINDOW) == local.tags(**WINDOW)


@pytest.mark.parametrize("columns", [None, ["trace_id", "span_id", "duration", "span.http.status_code"]])
def test_spans_agree(remote: ApiStore, local: Store, columns: list[str] | None) -> None:
    ours, theirs = (
        store.spans("{ kind = server && span.http.status_code >= 200 && duration > 20ms }", columns=columns, **WINDOW)
        .compute()
        .sort_values(["trace_id", "span_id"], ignore_index=True)
        for store in (local, remote)
    )
    assert len(ours) > 10
    pd.testing.assert_frame_equal(ours, theirs)


def test_full_slices_are_cut_in_two(remote: ApiStore, local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_spans, "TRACES", 4)
    monkeypatch.setattr(api_spans.SpansRead._found, "__defaults__", (4,))
    start, end = END - timedelta(minutes=4), END
    found = remote.spans("{ kind = server }", start=start, end=end, columns=["span_id"]).compute()
    wanted = local.spans("{ kind = server }", start=start, end=end, columns=["span_id"]).compute()
    assert len(found) > 64
    assert sorted(found["span_id"]) == sorted(wanted["span_id"])


def test_what_the_api_cannot_give_is_said(remote: ApiStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadRequest, match=r"span\.service\.name and resource\.service\.name|ask for them in two"):
        remote.spans('{ span.service.name = "a" }', **WINDOW)
    monkeypatch.setattr(api_spans, "SPANS_PER_TRACE", 1)
    with pytest.raises(QueryFailed, match=r"the server shows 1 of the \d+ spans that match in trace"):
        remote.spans(**WINDOW).compute()


def test_errors_are_in_words(remote: ApiStore) -> None:
    with pytest.raises(NotFound, match="there is no trace abc at http"):
        remote.trace("abc")
    with pytest.raises(BadRequest, match="answered 400: range specified by start and end exceeds 168h"):
        remote.search(start=END - timedelta(days=30), end=END)
    with pytest.raises(ParseError):
        remote.search("{ stauts = error")
    with pytest.raises(BadRequest, match="a metrics query has no spans"):
        remote.spans("{ } | rate()")


def test_nobody_there_is_said() -> None:
    with pytest.raises(Unavailable, match=r"no answer from http://127\.0\.0\.1:1: "):
        connect("http://127.0.0.1:1")
    with pytest.raises(BadRequest, match="expected the address of a query API"):
        connect("127.0.0.1:3200")
    assert "secret" not in repr(ApiStore(TempoApi("http://h", {"Authorization": "secret"})))


def test_an_explanation_shows_itself(remote: ApiStore, local: Store) -> None:
    for store in (remote, local):
        told = store.explain("{ status = error }", **WINDOW)
        assert "stages: { status = error }" in repr(told)
        assert told._repr_html_().count("<tr>") == 1 + len(told.explanation.sources)
