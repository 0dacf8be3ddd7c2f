"""Stores a network away: S3 by moto's server, Azure by Azurite."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from storage.block.reader import Block
from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.merge import merge
from storage.object_store import ObjectMissing, ObjectStore, StoreUnavailable
from storage.objects import open_store
from storage.tempo_blocks.beside import BlocksBesideTempo
from storage.tempo_blocks.row_group import RowGroup
from tempo_dask.config.storage import TraceStorage
from tempo_dask.trace_store import open_trace_store, remote_location
from tests.otlp_oracle import tables_to_spans
from tests.storage.builder import SPAN, tables_of
from tests.storage.object_store_contract import ObjectStoreContract
from tests.storage.store_servers import (
    AZURE_ACCOUNT,
    AZURE_CONTAINER,
    AZURE_KEY,
    S3_BUCKET,
    azure_server,
    azurite,
    s3_server,
)
from tests.storage.tempo_writer import write_block

_numbers = itertools.count()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    pytest.importorskip("moto.server")
    with s3_server() as address:
        yield address


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = azurite(tmp_path_factory.mktemp("azurite"))
    if program is None:
        pytest.skip("Azurite is not here, and npm cannot have it")
    with azure_server(program) as address:
        yield address


def s3_settings(address: str, prefix: str = "", **keys: str) -> TraceStorage:
    """Return what stands in a configuration file."""
    s3 = {
        "bucket": S3_BUCKET,
        "endpoint": address,
        "insecure": True,
        "access_key": "key",
        "secret_key": "secret",
        "prefix": prefix,
        **keys,
    }
    return TraceStorage.model_validate({"backend": "s3", "s3": s3})


def open_remote(settings: TraceStorage) -> ObjectStore:
    url, options, allow_http = remote_location(settings)
    return open_store(url, options=options, allow_http=allow_http)


class TestS3Store(ObjectStoreContract):
    @pytest.fixture
    def store(self, s3: str) -> ObjectStore:
        return open_remote(s3_settings(s3, f"of/test-{next(_numbers)}"))


@pytest.mark.slow
class TestAzureStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, azure: str) -> ObjectStore:
        settings = {
            "storage_account_name": AZURE_ACCOUNT,
            "storage_account_key": AZURE_KEY,
            "container_name": AZURE_CONTAINER,
            "endpoint_suffix": azure,
            "prefix": f"test-{next(_numbers)}",
        }
        return open_remote(TraceStorage.model_validate({"backend": "azure", "azure": settings}))


def test_prefixes_are_kept_apart(s3: str) -> None:
    one, other = (open_trace_store(s3_settings(s3, prefix), Path()) for prefix in ("one", "/other/"))
    one.put("t/a", b"1")
    assert [info.key for info in one.list("")] == ["t/a"]
    assert other.list("") == []
    with pytest.raises(ObjectMissing):
        other.get("t/a")


def test_writers_of_several_stores_exclude_each_other(s3: str) -> None:
    """Each has connections of its own, as other machines have."""
    stores = [open_remote(s3_settings(s3, "race")) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for number in range(20):
            won = list(pool.map(lambda store, n=number: store.put_if_absent(f"log/{n}", b""), stores))
            assert won.count(True) == 1


def test_blocks_in_a_bucket(s3: str) -> None:
    """Published by one process and read by another: columns, whole traces, ids."""
    spans = [SPAN]
    chunk = Chunk.seal(merge([tables_of(spans)]), id="c", tenant="t")
    BlockStore(open_remote(s3_settings(s3, "blocks"))).publish(
        "t", [chunk], node="n", first_seq=1, last_seq=1, arrived_ns=(0, 0)
    )
    [block] = BlockStore(open_remote(s3_settings(s3, "blocks"))).snapshot("t").blocks
    assert isinstance(block, Block)
    assert block.find(np.frombuffer(SPAN.trace_id, np.uint8).reshape(1, 16)).tolist() == [0]
    assert tables_to_spans(block.take_traces([0])) == spans
    kinds = block.read("spans", "kind", 0)
    assert kinds is not None
    assert kinds.data.tolist() == [SPAN.kind]
    assert pa.array(block.sorted_trace_ids().reshape(-1)).to_pylist() == list(SPAN.trace_id)


def test_tempos_blocks_in_a_bucket(s3: str, tmp_path: Path) -> None:
    """Read in place and converted, from memory alone."""
    folder = tmp_path / "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    write_block(folder, [SPAN], "vParquet4")
    store = open_remote(s3_settings(s3, "tempo"))
    for path in folder.iterdir():
        store.put(f"t/{folder.name}/{path.name}", path.read_bytes())
    blocks = BlocksBesideTempo(store)
    for kind in (RowGroup, Block):
        [source] = blocks.snapshot("t").blocks
        assert isinstance(source, kind)
        assert tables_to_spans(source.take_traces([0])) == [SPAN]
        list(blocks.convert("t", blocks.tempo_blocks("t").blocks[folder.name]))


@pytest.mark.slow  # it waits out the tries of the store
def test_a_server_that_is_gone_is_told() -> None:
    store = open_remote(s3_settings("127.0.0.1:9"))
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.get("a")
    assert time.monotonic() - started < 20
