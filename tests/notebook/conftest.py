"""A store with an hour of the shop's traces."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.merge import merge
from storage.objects import open_store as open_objects
from tempo_dask import Store, open_store
from tempo_dask.demo.shop import generate
from tempo_dask.kernels import otlp
from tempo_dask.notebook.store import SINGLE_TENANT

END_NS = 1_767_225_600 * 10**9
HOUR_NS = 3_600 * 10**9


def fill(path: Path, spans: int) -> None:
    """Write two blocks of the shop's traces."""
    blocks = BlockStore(open_objects(str(path)))
    bodies = list(generate(spans, end_ns=END_NS, span_of_time_ns=HOUR_NS, seed=1))
    for place in range(2):
        chunk = Chunk.seal(merge([otlp.decode(bodies[place::2])]), id=f"chunk-{place}", tenant=SINGLE_TENANT)
        blocks.publish(SINGLE_TENANT, [chunk], node=f"n{place}", first_seq=1, last_seq=1, arrived_ns=(END_NS, END_NS))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of blocks with some 5,000 spans."""
    path = tmp_path_factory.mktemp("blocks")
    fill(path, 5_000)
    return path


@pytest.fixture(scope="session")
def store(folder: Path) -> Store:
    """Return the store in that folder."""
    return open_store(folder)
