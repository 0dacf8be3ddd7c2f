"""Traces that are not whole when they become part of a block, as `tempo_warnings_total`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from prometheus_client import Counter

from storage.block.meta import BlockMeta
from storage.block_store import BlockSnapshot
from storage.columns import Column, ScanSource, TableName
from storage.errors import StorageError
from tempo_dask.ingest.flush import BlockList
from tempo_dask.telemetry import REGISTRY

#: As the numbers of nested sets have it: the span's parent is not in its trace.
_NO_PARENT = 0
ROOTLESS, DISCONNECTED = "rootless_trace_flushed_to_wal", "disconnected_trace_flushed_to_wal"

WARNINGS = Counter("tempo_warnings", "Traces that were not whole in a block.", ["tenant", "reason"], registry=REGISTRY)

log = logging.getLogger(__name__)


class Blocks(Protocol):
    """Where blocks are published, and read."""

    def block_list(self, tenant: str) -> BlockList:
        """Return the newest list."""
        ...

    def snapshot(self, tenant: str, window: tuple[int, int] | None = None) -> BlockSnapshot:
        """Return the blocks of a window."""
        ...

    def publish(
        self,
        tenant: str,
        sources: Sequence[ScanSource],
        *,
        node: str,
        first_seq: int,
        last_seq: int,
        arrived_ns: tuple[int, int],
    ) -> BlockMeta | None:
        """Write a block and list it."""
        ...


class ObservedBlocks:
    """Hands blocks on to be published, and then looks how whole their traces are."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    def block_list(self, tenant: str) -> BlockList:
        """Return the newest list."""
        return self._blocks.block_list(tenant)

    def publish(
        self,
        tenant: str,
        sources: Sequence[ScanSource],
        *,
        node: str,
        first_seq: int,
        last_seq: int,
        arrived_ns: tuple[int, int],
    ) -> BlockMeta | None:
        """Write a block and list it. Raises as what it hands on to does."""
        meta = self._blocks.publish(
            tenant, sources, node=node, first_seq=first_seq, last_seq=last_seq, arrived_ns=arrived_ns
        )
        if meta is not None:
            self._warn(meta)
        return meta

    def _warn(self, meta: BlockMeta) -> None:
        """Count the traces of a new block that lack spans; what cannot be read back is not counted."""
        window = (meta.source.start_ns, meta.source.end_ns)
        try:
            found = [one for one in self._blocks.snapshot(meta.tenant, window).blocks if one.meta.id == meta.id]
            counts = incomplete_traces(found)
        except StorageError as error:
            log.warning("block %s cannot be looked at: %s", meta.id, error)
            return
        for reason, count in counts.items():
            WARNINGS.labels(meta.tenant, reason).inc(count)


def incomplete_traces(sources: Sequence[ScanSource]) -> Mapping[str, int]:
    """Return how many traces have no root, and how many have a span whose parent is missing."""
    counts = {ROOTLESS: 0, DISCONNECTED: 0}
    for source in sources:
        for unit in range(len(source.meta.units)):
            valid = _read(source, "traces", "root_name", unit).valid
            counts[ROOTLESS] += 0 if valid is None else int((valid == 0).sum())
            is_orphan = _read(source, "spans", "nested_parent", unit).data == _NO_PARENT
            counts[DISCONNECTED] += len(np.unique(_read(source, "spans", "trace", unit).data[is_orphan]))
    return counts


def _read(source: ScanSource, table: TableName, name: str, unit: int) -> Column:
    column = source.read(table, name, unit)
    if column is None:
        msg = f"{source.meta.id} has no column {name}"
        raise KeyError(msg)
    return column
