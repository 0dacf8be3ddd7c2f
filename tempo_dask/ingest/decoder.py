"""Requests to chunks: batches are decoded in one kernel call, sorted, and sealed."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import TypeAlias

from storage.chunk import Chunk
from storage.columns import SpanTables
from storage.merge import merge
from tempo_dask import telemetry
from tempo_dask.ingest.live import Batch, LiveStore
from tempo_dask.ingest.records import Record

log = logging.getLogger(__name__)

Decode: TypeAlias = Callable[[Sequence[bytes]], SpanTables]
#: Told of requests and of their spans, as decoded.
Observe: TypeAlias = Callable[[Sequence[Record], SpanTables], None]

#: How long one step waits for records, so how long stopping may take.
STEP_TIMEOUT_S = 0.1


def observe_nothing(_records: Sequence[Record], _tables: SpanTables) -> None:
    """Do nothing."""


class Decoder:
    """Makes chunks of what the live store has accepted; `step` is for one thread."""

    def __init__(self, live: LiveStore, decode: Decode, node: str, observe: Observe = observe_nothing) -> None:
        self._live = live
        self._decode = decode
        self._node = node
        self._observe = observe

    def step(self, timeout_s: float = STEP_TIMEOUT_S) -> bool:
        """Decode one batch; False if none was due within `timeout_s`."""
        batch = self._live.take(timeout_s)
        if batch is None:
            return False
        chunk = None
        try:
            if tables := self._sorted(batch.records):
                chunk = self._seal(batch, tables)
                telemetry.TRACES_CREATED.labels(batch.tenant).inc(chunk.meta.trace_count)
        finally:
            self._live.add(batch, chunk)  # also what cannot be decoded is done with: no query waits for it
        return True

    def _sorted(self, records: Sequence[Record]) -> SpanTables | None:
        """Return the spans of all records, or of those that can be decoded; None where none can."""
        try:
            decoded = self._decode([record.body for record in records])
            self._observe(records, decoded)
            return merge([decoded])
        except Exception:  # every body was checked, so this is a fault of ours: find the one that shows it
            log.exception("records %d to %d could not be decoded together", records[0].seq, records[-1].seq)
        tables = []
        for record in records:
            try:
                tables.append(merge([self._decode([record.body])]))
            except Exception:  # one record must not hide the others
                log.exception("record %d of %s cannot be decoded and is left out", record.seq, record.tenant)
                telemetry.REPLAY_ERRORS.labels(record.tenant).inc()
        return merge(tables) if tables else None

    def _seal(self, batch: Batch, tables: SpanTables) -> Chunk:
        return Chunk.seal(
            tables,
            id=uuid.uuid4().hex,
            tenant=batch.tenant,
            node=self._node,
            first_seq=batch.records[0].seq,
            last_seq=batch.records[-1].seq,
            arrived_ns=(batch.records[0].arrived_ns, batch.records[-1].arrived_ns),
        )
