"""Blocks that Tempo wrote outlive any number of cycles, whatever the times of their spans; ours beside them too."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

from storage.chunk import Chunk
from storage.local_objects import LocalStore
from storage.merge import merge
from storage.tempo_blocks.beside import BlocksBesideTempo
from tempo_dask.maintenance.cycle import Maintenance
from tempo_dask.maintenance.limits import DAY_NS, CompactionLimits
from tests.storage.builder import SPAN, tables_of
from tests.storage.tempo_writer import TENANT, write_block

IN_2022_NS = 1_650_000_000 * 10**9
NOW_NS = 1_790_000_000 * 10**9


def test_old_spans_and_tempos_blocks_survive(tmp_path: Path) -> None:
    """Retention counts from arrival, and what Tempo wrote is Tempo's to expire, compact and sweep."""
    now = [NOW_NS]
    old = replace(SPAN, start=IN_2022_NS, end=IN_2022_NS + 5)
    folder = tmp_path / TENANT / str(uuid.uuid4())
    write_block(folder, [old], "vParquet4")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    store = BlocksBesideTempo(LocalStore(tmp_path), clock=lambda: now[0], poll_s=0)
    ours = replace(old, trace_id=bytes(15) + b"\x09")
    chunk = Chunk.seal(merge([tables_of([ours])]), id="c", tenant=TENANT)
    store.publish(TENANT, [chunk], node="n", first_seq=1, last_seq=1, arrived_ns=(NOW_NS, NOW_NS))
    maintenance = Maintenance(store, CompactionLimits(), clock=lambda: now[0])
    for _ in range(10):
        maintenance.step()
        now[0] += DAY_NS
    assert len(store.snapshot(TENANT).blocks) == 2
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    now[0] += 5 * DAY_NS
    maintenance.step()
    assert [source.meta.id for source in store.snapshot(TENANT).blocks] == [f"{folder.name}.0"]
