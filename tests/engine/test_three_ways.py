"""One plan, three ways to run it: threads of this process, a Dask cluster, a Dask dataframe."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import LocalCluster

from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.merge import merge
from storage.objects import open_store as open_objects
from tempo_dask import Store, open_store
from tempo_dask.cluster.opening import open_cluster
from tempo_dask.demo.shop import generate
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.executors import Executor
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import RangeRequest, SearchRequest, Window
from tempo_dask.errors import NotFound
from tempo_dask.kernels import otlp
from tempo_dask.notebook.store import SINGLE_TENANT
from tests.engine.recorded import TENANT, Fixed

END_NS = 1_767_225_600 * 10**9
MINUTE_NS = 60 * 10**9
WINDOW = Window(END_NS - 60 * MINUTE_NS, END_NS)
QUERIES = (
    "{ status = error }",
    '{ resource.service.name = "payment" && duration > 50ms }',
    "{ span.http.status_code >= 500 || event:name = `exception` }",
    '{ rootServiceName = "frontend-proxy" && kind = server }',
    "{ span.absent = 1 }",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store of three blocks; traces that cross from one to the next lie in both."""
    path = tmp_path_factory.mktemp("blocks")
    blocks = BlockStore(open_objects(str(path)))
    bodies = list(generate(3_000, end_ns=END_NS, span_of_time_ns=60 * MINUTE_NS, seed=1))
    for place in range(3):
        chunk = Chunk.seal(merge([otlp.decode(bodies[place::3])]), id=f"chunk-{place}", tenant=SINGLE_TENANT)
        arrived_ns = (END_NS, END_NS)
        blocks.publish(SINGLE_TENANT, [chunk], node=f"node-{place}", first_seq=1, last_seq=1, arrived_ns=arrived_ns)
    return open_store(path)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Start a scheduler and a worker process on the loopback interface."""
    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as running:
        yield running


@pytest.fixture(scope="module", params=["local", pytest.param("cluster", marks=pytest.mark.slow)])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Return the executors that the server may be given."""
    if request.param == "cluster":
        cluster = open_cluster(request.getfixturevalue("cluster").scheduler_address, 2)
        yield cluster.executor
        cluster.close()
        return
    found = LocalExecutor(2)
    yield found
    found.close()


def engine_of(store: Store, executor: Executor) -> Engine:
    return Engine(Fixed(*store.blocks.snapshot(store.tenant).blocks), executor)


@pytest.mark.parametrize("query", QUERIES)
def test_a_search_finds_the_spans_of_the_frame(store: Store, executor: Executor, query: str) -> None:
    request = SearchRequest(TENANT, query, WINDOW, limit=10_000, spans_per_set=10_000)
    result = asyncio.run(engine_of(store, executor).search(request))
    found = {(t.trace_id.hex(), s.span_id.hex()) for t in result.traces for set_ in t.span_sets for s in set_.spans}
    frame: Any = store.spans(query).compute()
    assert found == set(zip(frame["trace_id"], frame["span_id"], strict=True))
    assert len(frame) == len(found)
    assert bool(found) == ("absent" not in query)


def test_metrics_count_the_spans_of_the_frame(store: Store, executor: Executor) -> None:
    request = RangeRequest(
        TENANT,
        "{ kind = server } | count_over_time() by (resource.service.name)",
        WINDOW.start_ns,
        WINDOW.end_ns,
        MINUTE_NS,
    )
    result = asyncio.run(engine_of(store, executor).query_range(request))
    counted = {series.labels[0][1]: int(np.nansum(series.values)) for series in result.series}
    frame: Any = store.spans("{ kind = server }")
    assert counted == frame.groupby("resource.service.name").size().compute().to_dict()
    assert sum(counted.values()) > 500


def test_a_frame_keeps_to_its_window(store: Store) -> None:
    halfway = END_NS - 30 * MINUTE_NS
    early: Any = store.spans(end=np.datetime64(halfway, "ns").astype("datetime64[us]").item()).compute()
    assert 0 < len(early) < len(store.spans().compute())
    assert early["start"].dt.tz is not None


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no-store is no folder"):
        open_store(tmp_path / "no-store")
