"""A store of made-up spans: something to try queries on."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.merge import merge
from storage.objects import open_store as open_objects
from tempo_dask.demo.shop import generate
from tempo_dask.kernels import otlp
from tempo_dask.notebook.store import SINGLE_TENANT, Store, open_store

#: The last hour that the shop is watched ends here unless another end is named: 2026-01-01, midnight UTC.
END_NS = 1_767_225_600 * 10**9
HOUR_NS = 3_600 * 10**9


def shop_store(
    folder: str | Path, *, spans: int = 20_000, blocks: int = 2, seed: int = 1, end_ns: int = END_NS
) -> Store:
    """Write an hour of the made-up shop (`tempo_dask.demo`) that ends at `end_ns` into a folder, and open it.

    The same arguments give the same spans. Raises FileExistsError where the folder holds something already.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        msg = f"{path} holds something already: name an empty folder"
        raise FileExistsError(msg)
    bodies = list(generate(spans, end_ns=end_ns, span_of_time_ns=HOUR_NS, seed=seed))
    store = BlockStore(open_objects(str(path)))
    for number in range(blocks):
        part = bodies[len(bodies) * number // blocks : len(bodies) * (number + 1) // blocks]
        chunk = Chunk.seal(merge([otlp.decode(part)]), id=f"shop-{uuid.uuid4()}", tenant=SINGLE_TENANT)
        arrived_ns = time.time_ns()
        store.publish(
            SINGLE_TENANT, [chunk], node=f"shop-{number}", first_seq=1, last_seq=1, arrived_ns=(arrived_ns, arrived_ns)
        )
    return open_store(path)
