"""What arriving spans are like: how many traces a request brings, and how far from now their times are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from storage.columns import SpanTables
from tempo_dask.ingest.records import Record
from tempo_dask.observability.distribution import Distribution
from tempo_dask.telemetry import REGISTRY

_DISTANCES_S = (1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0)

TRACES_PER_BATCH = Distribution(
    "tempo_distributor_traces_per_batch", "Traces of a request.", tuple(2.0**n for n in range(10))
)
IN_FUTURE = Distribution(
    "tempo_spans_distance_in_future_seconds", "How long after they arrived spans say that they began.", _DISTANCES_S
)
IN_PAST = Distribution(
    "tempo_spans_distance_in_past_seconds", "How long before they arrived spans began.", _DISTANCES_S
)
for one in (TRACES_PER_BATCH, IN_FUTURE, IN_PAST):
    REGISTRY.register(one)

_MIX = np.uint64(0x9E3779B97F4A7C15)
#: A key is the number of a request above a hash of a trace id.
_REQUEST_BITS, _HASH_BITS = np.uint64(20), np.uint64(44)


def observe_spans(records: Sequence[Record], tables: SpanTables) -> None:
    """Count the spans of some requests; `tables` holds them as decoded, in the order of the requests."""
    requests = np.repeat(np.arange(len(records)), [record.spans for record in records])
    arrived = np.array([record.arrived_ns for record in records])[requests]
    started = _words(tables, "start", 1)[:, 0].view(np.int64)
    age_s = (arrived - started) / 1e9
    IN_PAST.observe(age_s[age_s >= 0])
    IN_FUTURE.observe(-age_s[age_s < 0])
    TRACES_PER_BATCH.observe(traces_per_request(requests, _words(tables, "trace_id", 2)))


def traces_per_request(requests: npt.NDArray[np.int64], ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return how many traces each request has spans of; `requests` (spans) ascends, `ids` (spans, 2) are halves.

    Traces of a request are told apart by a hash: one of 2**44, so what may be missed is next to nothing.
    """
    hashes = (ids[:, 0] * _MIX ^ ids[:, 1]) * _MIX >> _REQUEST_BITS
    keys = np.sort(requests.astype(np.uint64) << _HASH_BITS | hashes)
    is_first = np.concatenate([[True], keys[1:] != keys[:-1]])
    return np.bincount((keys[is_first] >> _HASH_BITS).astype(np.int64))


def _words(tables: SpanTables, name: str, count: int) -> npt.NDArray[np.uint64]:
    """Return a column without nulls whose values have so many words, as (spans, words)."""
    column = tables.spans.column(name).combine_chunks()
    return np.frombuffer(column.buffers()[1], np.uint64).reshape(-1, count)[column.offset :][: len(column)]
