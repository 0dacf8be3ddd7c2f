"""A node whose server does not run: what its write-ahead log holds is made blocks, and its cubes are given up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storage.block_store import BlockStore
from storage.data_dir import DataDir, DataDirLocked
from storage.wal import Wal
from tempo_dask.ingest.erasing import NodeErasure
from tempo_dask.ingest.pipeline import Pipeline
from tempo_dask.kernels import otlp


@dataclass(frozen=True, slots=True)
class StoppedNode:
    """The node of a data folder, if there is one and no server works in it. Methods raise StorageError, OSError."""

    data_dir: Path
    wal_path: Path | None = None

    def flush(self, blocks: BlockStore) -> bool:
        """Make blocks of all that the log holds; False where there is no such node, or its server runs."""
        with self._opened(blocks) as erasure:
            return erasure is not None and erasure.empty_log()

    def clear(self, blocks: BlockStore, tenant: str, erasure_ids: Sequence[str]) -> bool:
        """Do the node's part of erasures; False where there is no such node, or its server runs and does it."""
        with self._opened(blocks) as erasure:
            if erasure is None or not erasure.empty_log():
                return False
            shutil.rmtree(self.data_dir / "cubes", ignore_errors=True)
            for erasure_id in erasure_ids:
                erasure.clear(tenant, erasure_id)
            return True

    @contextmanager
    def _opened(self, blocks: BlockStore) -> Iterator[NodeErasure | None]:
        """Take the place of the server, its log replayed; None where that cannot be."""
        if not (self.data_dir / "node").is_file():
            yield None
            return
        try:
            data = DataDir(self.data_dir)
        except DataDirLocked:
            yield None
            return
        with data, Wal(self.wal_path or data.wal_path, data.node) as wal:
            pipeline = Pipeline(wal, blocks, node=data.node, check=otlp.check, decode=otlp.decode)
            try:
                pipeline.replay({name: blocks.block_list(name).flushed.get(data.node, 0) for name in blocks.tenants()})
                yield NodeErasure(blocks, pipeline.live, wal, node=data.node, flush=pipeline.flush, forget=lambda: None)
            finally:
                pipeline.stop()
