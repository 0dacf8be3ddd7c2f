"""What the engine answers: plain values that the API encodes and the notebook shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from storage.columns import SpanTables

#: A value as shown: durations, statuses and kinds as text, arrays as tuples.
Value: TypeAlias = str | int | float | bool | tuple["Value", ...]
Labels: TypeAlias = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class QueryMetrics:
    """What a query cost."""

    inspected_bytes: int = 0
    inspected_traces: int = 0
    inspected_spans: int = 0
    total_blocks: int = 0
    total_block_bytes: int = 0
    total_jobs: int = 0
    completed_jobs: int = 0
    partial: str = ""  # why something is missing from the answer; empty where it is whole


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """A span of a search result; `name` is None where the query did not touch it."""

    span_id: bytes
    start_ns: int
    duration_ns: int
    name: str | None = None
    attributes: Labels = ()


@dataclass(frozen=True, slots=True)
class SpanSet:
    """Matched spans of a trace: at most as many as asked for, `matched` counts all."""

    spans: tuple[FoundSpan, ...]
    matched: int
    attributes: Labels = ()


@dataclass(frozen=True, slots=True)
class FoundTrace:
    """A trace of a search result. `root_service` and `root_name` are None where no root has them."""

    trace_id: bytes
    start_ns: int
    duration_ns: int
    root_service: str | None = None
    root_name: str | None = None
    span_sets: tuple[SpanSet, ...] = ()
    service_stats: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # service -> (spans, errors)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Traces, newest first."""

    traces: tuple[FoundTrace, ...]
    metrics: QueryMetrics


@dataclass(frozen=True, slots=True)
class TraceResult:
    """One trace with every field it was sent with, or None where it is not known."""

    tables: SpanTables | None
    metrics: QueryMetrics
    message: str = ""  # set where the answer is partial, says why


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A span that stands for many."""

    labels: Labels
    value: float
    time_ns: int


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one label set, aligned with `RangeResult.times_ns`; NaN where there is no sample."""

    labels: Labels
    values: npt.NDArray[np.float64]
    exemplars: tuple[Exemplar, ...] = ()


@dataclass(frozen=True, slots=True)
class RangeResult:
    """Series over common timestamps (right edges of the intervals, nanoseconds)."""

    times_ns: npt.NDArray[np.int64]
    series: tuple[Series, ...]
    metrics: QueryMetrics
    message: str = ""  # set where the answer is partial, says why


@dataclass(frozen=True, slots=True)
class TagNamesResult:
    """Keys by scope, sorted; scopes without any are absent."""

    scopes: Mapping[str, tuple[str, ...]]
    metrics: QueryMetrics


@dataclass(frozen=True, slots=True)
class KeyValuesResult:
    """The values of a plain key as text, sorted."""

    values: tuple[str, ...]
    metrics: QueryMetrics


@dataclass(frozen=True, slots=True)
class TagValue:
    """A value as text, and its type: string, int, float, bool, duration or keyword."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class TagValuesResult:
    """The values of an attribute, sorted by type and text."""

    values: tuple[TagValue, ...]
    metrics: QueryMetrics
