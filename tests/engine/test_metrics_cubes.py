"""Cubes change no answer: a dashboard that moves on gets what it would get without them, and reads less."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from storage.block.files import StoredFiles
from storage.block.reader import Block
from storage.block.writer import Origin, write_block
from storage.local_objects import LocalStore
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.engine.results import QueryMetrics, RangeResult
from tempo_dask.physical.column_cache import forget_block
from tempo_dask.physical.cube_cache import PROCESS_CUBES
from tempo_dask.physical.unit_runs import RUN_UNITS
from tests.engine.recorded import TENANT, Fixed, chunk_of, records

START_NS, STEP_NS = 1_767_225_600 * 10**9, 60 * 10**9
QUERIES = (
    "{ } | rate()",
    "{ status = error } | count_over_time() by (name, resource.service.name)",
    "{ } | min_over_time(span.ratio) by (kind)",
    "{ } | sum_over_time(duration) by (resource.service.name)",
    "{ } | avg_over_time(span.ratio)",
    "{ } | histogram_over_time(duration) by (span.http.status_code)",
    "{ } | quantile_over_time(duration, .5, .99) by (name) with (exact=true)",
    "{ kind = server } >> { } | rate() by (name) | topk(2)",
    "{ span.no = 1 } | rate()",
)


@pytest.fixture(scope="module")
def blocks(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Block]:
    """Return two blocks of many units; a few traces lie in both."""
    bodies = records(shared / "conformance" / "traces.rec.gz")[:240]
    folder = tmp_path_factory.mktemp("blocks")
    return [
        _block(folder, f"cubed-{number}-{uuid4()}", part) for number, part in enumerate((bodies[:120], bodies[110:200]))
    ]


def _block(folder: Path, name: str, bodies: Sequence[bytes]) -> Block:
    tables = chunk_of(bodies).tables
    encoded = write_block(tables, Origin(name, TENANT), unit_spans=tables.spans.num_rows // (RUN_UNITS + 2))
    store = LocalStore(folder)
    for file, data in encoded.files.items():
        store.put(f"{name}/{file}", memoryview(data))
    return Block.open(encoded.meta, StoredFiles(store, name))


@pytest.fixture(scope="module")
def engine(shared: Path, blocks: Sequence[Block]) -> Iterator[Engine]:
    """Return an engine over the blocks and a live chunk."""
    bodies = records(shared / "conformance" / "traces.rec.gz")[195:240]
    executor = LocalExecutor(2)
    yield Engine(Fixed(*blocks, chunk_of(bodies, "live")), executor)
    executor.close()


@pytest.fixture(autouse=True)
def without_cubes() -> Iterator[None]:
    yield
    PROCESS_CUBES.keep(0)


def ask(engine: Engine, query: str, first: int, exemplars: int = 20) -> RangeResult:
    """Ask for 30 steps from a step on."""
    start_ns = START_NS + first * STEP_NS
    request = RangeRequest(TENANT, query, start_ns, start_ns + 30 * STEP_NS, STEP_NS, exemplars)
    return asyncio.run(engine.query_range(request))


def plain(result: RangeResult) -> tuple[Any, ...]:
    inspected = QueryMetrics(inspected_spans=result.metrics.inspected_spans)
    series = [(one.labels, repr(one.values.tolist()), one.exemplars) for one in result.series]
    return series, replace(inspected, partial=result.metrics.partial), result.message


@pytest.mark.parametrize("query", QUERIES)
def test_a_moving_window_gets_the_same_with_cubes_in_memory_and_on_disk(
    engine: Engine, query: str, tmp_path: Path
) -> None:
    windows = [(first, exemplars) for first in (-40, 0, 29, 50) for exemplars in (0, 20)]
    wanted = [plain(ask(engine, query, *window)) for window in windows]
    PROCESS_CUBES.keep(folder=tmp_path, disk_bytes=1 << 24, least_spans=0, least_s=0)
    assert [plain(ask(engine, query, *window)) for window in windows] == wanted
    assert [plain(ask(engine, query, *window)) for window in windows] == wanted
    for _ in range(2):  # as after a restart; cubes of single units are first written when they are made alone
        PROCESS_CUBES.flush()
        PROCESS_CUBES.keep(folder=tmp_path, disk_bytes=1 << 24, least_spans=0, least_s=0)
        made = PROCESS_CUBES.made
        assert [plain(ask(engine, query, *window)) for window in windows] == wanted
    assert PROCESS_CUBES.made == made


def test_blocks_have_several_runs_of_units(blocks: Sequence[Block]) -> None:
    assert all(len(block.meta.units) > RUN_UNITS for block in blocks)


def test_cubes_go_with_their_block_and_stay_within_their_budget(engine: Engine, tmp_path: Path) -> None:
    PROCESS_CUBES.keep(folder=tmp_path, disk_bytes=1 << 24, least_spans=0, least_s=0)
    ask(engine, QUERIES[0], 0)
    PROCESS_CUBES.flush()
    kept = {path.parent.name for path in tmp_path.glob("v*/*/*")}
    assert len(kept) == 2
    forget_block(kept.pop())
    assert {path.parent.name for path in tmp_path.glob("v*/*/*")} == kept
    PROCESS_CUBES.keep(folder=tmp_path, disk_bytes=1)
    assert not list(tmp_path.glob("v*/*/*"))


def test_what_is_soon_made_is_kept_in_memory_only(engine: Engine, tmp_path: Path) -> None:
    PROCESS_CUBES.keep(folder=tmp_path, disk_bytes=1 << 24, least_spans=0, least_s=60)
    made = PROCESS_CUBES.made
    ask(engine, QUERIES[0], 0)
    PROCESS_CUBES.flush()
    assert PROCESS_CUBES.made > made
    assert not list(tmp_path.glob("v*/*/*"))


def test_a_damaged_cube_is_made_again(engine: Engine, tmp_path: Path) -> None:
    PROCESS_CUBES.keep(folder=tmp_path, disk_bytes=1 << 24, least_spans=0, least_s=0)
    wanted = plain(ask(engine, QUERIES[0], 0))
    PROCESS_CUBES.flush()
    for file in tmp_path.glob("v*/*/*/zarr.json"):
        file.write_text("{")
    PROCESS_CUBES.keep(folder=tmp_path, disk_bytes=1 << 24, least_spans=0, least_s=0)
    assert plain(ask(engine, QUERIES[0], 0)) == wanted
