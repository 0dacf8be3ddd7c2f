"""A source without some of its traces: what readers see of it from the moment that these are hidden.

Rows are left out as columns are read, so whoever scans, looks ids up or takes traces gets what a source made without
the hidden traces would give. Rows of resources and scopes that no other span uses stay, without values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from storage.arrays import frozen
from storage.columns import Column, ColumnMeta, ScanSource, SourceMeta, SpanTables, TableName, TypeName, UnitMeta
from storage.errors import StorageError
from storage.hidden import HiddenTraces
from storage.kernels.search import find_ids
from storage.merge_parts import TraceIds
from storage.pick import runs
from storage.remembered import Remembered

Rows = npt.NDArray[np.int64]

#: The column of spans that numbers the rows of a table that all units share.
_SHARED: Mapping[TableName, str] = {"resources": "resource", "scopes": "scope"}


def veil(source: ScanSource, hidden: HiddenTraces) -> ScanSource | None:
    """Return a source without hidden traces, None where nothing is left of it. Raises what reading it raises."""
    if not hidden.key:
        return source
    key = (source.meta.tenant, source.meta.id, hidden.key)
    held = _held.get_or_make(key, lambda: hidden.ids[source.find(hidden.ids) >= 0])
    if not len(held):
        return source
    if len(held) == source.meta.trace_count:
        return None
    return _veiled.get_or_make(key, partial(Veiled, source, held, hidden.key))


def veil_all(sources: Sequence[ScanSource], hidden: HiddenTraces) -> tuple[tuple[ScanSource, ...], Mapping[str, str]]:
    """Return sources without hidden traces, and why some cannot be searched for them, by id."""
    if not hidden.key:
        return tuple(sources), {}
    seen: list[ScanSource] = []
    unsearchable = {}
    for source in sources:
        try:
            left = veil(source, hidden)
        except (StorageError, OSError, ValueError) as error:
            unsearchable[source.meta.id] = str(error)
            continue
        if left is not None:
            seen.append(left)
    return tuple(seen), unsearchable


def unveiled(source: ScanSource) -> ScanSource:
    """Return the source behind a veil, or the source itself."""
    return source.inner if isinstance(source, Veiled) else source


@dataclass(frozen=True, slots=True)
class _Left:
    """The rows that are left of a unit."""

    traces: Rows
    spans: Rows
    span_counts: npt.NDArray[np.int64]  # of these traces
    all_spans: int


class Veiled(ScanSource):
    """A source seen without some of its traces; some must be left. Methods raise what the source raises."""

    def __init__(self, inner: ScanSource, trace_ids: TraceIds, key: str) -> None:
        """Hide the traces (n, 16), all of them in the source; `key` tells what is hidden."""
        self.inner = inner
        self._ids = trace_ids
        self._key = key
        self._hidden: Rows = np.sort(inner.find(trace_ids))
        self._left: dict[int, _Left] = {}
        self._used: dict[TableName, npt.NDArray[np.uint8]] = {}
        units = inner.meta.units
        counts = [self._left_of(unit) for unit in range(len(units))]
        self._units = [unit for unit, left in enumerate(counts) if len(left.traces)]
        self._meta = self._described([counts[unit] for unit in self._units])

    def __reduce__(self) -> tuple[object, tuple[ScanSource, TraceIds, str]]:
        """Travel to another process as the source and what is hidden."""
        return Veiled, (self.inner, self._ids, self._key)

    @property
    def meta(self) -> SourceMeta:
        """Return what is known without reading; of values of columns only bounds are known."""
        return self._meta

    def read(self, table: TableName, name: str, unit: int) -> Column | None:
        """Return a column of one unit, or None where there is no such column."""
        column = self.inner.read(table, name, self._units[unit])
        if column is None:
            return None
        if table in _SHARED:
            return self._without_unused(column, table)
        left, bounds = self._left_of(self._units[unit]), self._meta.units[unit]
        if (table, name) == ("traces", "first_span"):
            firsts = bounds.first_span + np.cumsum(left.span_counts) - left.span_counts
            return Column(frozen(firsts.astype(np.uint32)))
        if (table, name) == ("spans", "trace"):
            numbers = np.arange(bounds.first_trace, bounds.stop_trace, dtype=np.uint32)
            return Column(frozen(np.repeat(numbers, left.span_counts)))
        taken = _take(column, self._rows(table, unit))
        if name == "span" and table in {"events", "links"}:
            place = np.zeros(left.all_spans, np.uint32)
            place[left.spans] = np.arange(len(left.spans), dtype=np.uint32)
            return Column(frozen(place[taken.data.astype(np.int64)]))
        return taken

    def read_rest(self, table: TableName, key: str, unit: int) -> Mapping[TypeName, Column]:
        """Return the values of a key that `rest` holds, by type."""
        found = self.inner.read_rest(table, key, self._units[unit])
        if table in _SHARED:
            return {name: self._without_unused(column, table) for name, column in found.items()}
        rows = self._rows(table, unit)
        return {name: _take(column, rows) for name, column in found.items()}

    def find(self, trace_ids: TraceIds) -> Rows:
        """Return for each id (n, 16) its row in traces, or -1."""
        rows = self.inner.find(trace_ids)
        before = np.searchsorted(self._hidden, rows)
        is_hidden = self._hidden[np.minimum(before, len(self._hidden) - 1)] == rows
        return np.where((rows < 0) | is_hidden, -1, rows - before)

    def sorted_trace_ids(self) -> TraceIds:
        """Return all trace ids (traces, 16), ascending bytewise."""
        ids = np.ascontiguousarray(self.inner.sorted_trace_ids())
        places = find_ids(ids.reshape(-1), np.ascontiguousarray(self._ids).reshape(-1))
        return np.delete(ids, places, axis=0)

    def take_traces(self, rows: Sequence[int] | Rows) -> SpanTables:
        """Return every column of the given traces, sorted."""
        wanted = np.asarray(rows, np.int64)
        hidden_before = np.searchsorted(self._hidden - np.arange(len(self._hidden)), wanted, side="right")
        return self.inner.take_traces(wanted + hidden_before)

    def _left_of(self, unit: int) -> _Left:
        """Return what is left of a unit of the source."""
        left = self._left.get(unit)
        if left is None:
            bounds = self.inner.meta.units[unit]
            column = self.inner.read("traces", "span_count", unit)
            counts = np.zeros(0, np.int64) if column is None else column.data.astype(np.int64)
            first, stop = np.searchsorted(self._hidden, (bounds.first_trace, bounds.stop_trace))
            traces = np.delete(np.arange(len(counts)), self._hidden[first:stop] - bounds.first_trace)
            starts = np.cumsum(counts) - counts
            spans = runs(starts[traces], counts[traces])
            left = self._left[unit] = _Left(traces, spans, counts[traces], int(counts.sum()))
        return left

    def _rows(self, table: TableName, unit: int) -> Rows:
        """Return the rows that are left of a unit."""
        left = self._left_of(self._units[unit])
        if table == "traces":
            return left.traces
        if table == "spans":
            return left.spans
        owners = self.inner.read(table, "span", self._units[unit])
        is_left = np.zeros(left.all_spans, np.bool_)
        is_left[left.spans] = True
        return np.flatnonzero(is_left[owners.data.astype(np.int64)]) if owners is not None else np.zeros(0, np.int64)

    def _without_unused(self, column: Column, table: TableName) -> Column:
        """Return a column of resources or scopes with values only in rows that spans which are left use."""
        used = self._used.get(table)
        if used is None:
            used = np.zeros(len(column.data) if column.offsets is None else len(column.offsets) - 1, np.uint8)
            for unit in self._units:
                numbers = self.inner.read("spans", _SHARED[table], unit)
                if numbers is not None:
                    used[numbers.data[self._left_of(unit).spans].astype(np.int64)] = 1
            self._used[table] = frozen(used)
        return replace(column, valid=used if column.valid is None else frozen(used & column.valid))

    def _described(self, left: Sequence[_Left]) -> SourceMeta:
        meta = self.inner.meta
        units: list[UnitMeta] = []
        span = trace = 0
        for number, rows in zip(self._units, left, strict=True):
            stop_span, stop_trace = span + len(rows.spans), trace + len(rows.traces)
            units.append(
                replace(
                    meta.units[number], first_span=span, stop_span=stop_span, first_trace=trace, stop_trace=stop_trace
                )
            )
            span, trace = stop_span, stop_trace
        return SourceMeta(
            id=f"{meta.id}~{self._key}",
            tenant=meta.tenant,
            span_count=span,
            trace_count=trace,
            start_ns=meta.start_ns,
            end_ns=meta.end_ns,
            units=tuple(units),
            columns={name: _bounded(column, span) for name, column in meta.columns.items()},
            rest_keys=meta.rest_keys,
        )


def _bounded(column: ColumnMeta, spans: int) -> ColumnMeta:
    """Return what is still known of a column: not its values, and never that each of the `spans` has one."""
    return ColumnMeta(column.count + (column.count == spans), None, column.minimum, column.maximum)


def _take(column: Column, rows: Rows) -> Column:
    """Return some rows of a column, in order."""
    valid = None if column.valid is None else frozen(column.valid[rows])
    if column.offsets is None:
        return Column(frozen(column.data[rows]), valid, column.dictionary)
    offsets = column.offsets.astype(np.int64)
    counts = np.diff(offsets)[rows]
    ends = np.append(0, np.cumsum(counts)).astype(np.int32)
    return Column(frozen(column.data[runs(offsets[rows], counts)]), valid, column.dictionary, frozen(ends))


#: The hidden traces that sources hold, and the sources that hold some without them: by tenant, id, and what is hidden.
_held: Remembered[tuple[str, str, str], TraceIds] = Remembered(1 << 16)
_veiled: Remembered[tuple[str, str, str], Veiled] = Remembered(256)
