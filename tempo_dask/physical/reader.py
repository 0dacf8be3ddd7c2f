"""One scan unit's columns, each read at most once, and the ways from the rows of one table to another's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.columns import REST_KEYS, Column, ScanSource, TableName, TypeName, UnitMeta
from tempo_dask.kernels.predicates import Mask, any_in_list, any_of_owner, look_up
from tempo_dask.kernels.traces import spread
from tempo_dask.physical.column_cache import PROCESS_CACHE
from tempo_dask.physical.dictionaries import matching_texts
from tempo_dask.physical.scan_context import check_cancelled, count_read
from traceql.operators import BinaryOperator

Rows = npt.NDArray[np.int64]

#: The column of spans that numbers the rows of a table.
_NUMBERED: Mapping[TableName, str] = {"resources": "resource", "scopes": "scope"}
#: A column that every source has, to tell how many rows a table has.
_COUNTED: Mapping[TableName, str] = {
    "resources": "schema_url",
    "scopes": "schema_url",
    "events": "span",
    "links": "span",
}


@dataclass(slots=True)
class UnitReader:
    """Reads the columns of one unit of a source; used by one thread at a time."""

    source: ScanSource
    unit: int
    _columns: dict[tuple[TableName, str], Column | None] = field(default_factory=dict)
    _rests: dict[tuple[TableName, str], Mapping[TypeName, Column]] = field(default_factory=dict)
    _offsets: npt.NDArray[np.int64] | None = None
    _trace_numbers: npt.NDArray[np.uint32] | None = None

    @property
    def meta(self) -> UnitMeta:
        """What is known of the unit."""
        return self.source.meta.units[self.unit]

    def column(self, table: TableName, name: str) -> Column | None:
        """Return a column, None where the source has none of that name."""
        key = (table, name)
        if key not in self._columns:
            check_cancelled()
            column = PROCESS_CACHE.read(self.source, table, name, self.unit)
            self._columns[key] = column
            count_read(table, name, 0 if column is None else column.nbytes)
        return self._columns[key]

    def own(self, table: TableName, name: str) -> Column:
        """Return a column that every source has."""
        column = self.column(table, name)
        if column is None:
            msg = f"source {self.source.meta.id} has no column {name} of {table}"
            raise LookupError(msg)
        return column

    def data(self, table: TableName, name: str) -> npt.NDArray[Any]:
        """Return the values of a column that every source has and that has no nulls."""
        return self.own(table, name).data

    def rest(self, table: TableName, key: str) -> Mapping[TypeName, Column]:
        """Return the values of a key that has no column of its own, by type."""
        if (table, key) not in self._rests:
            is_there = self.has_rest_key(table, key).any()
            found = PROCESS_CACHE.read_rest(self.source, table, key, self.unit) if is_there else {}
            self._rests[table, key] = found
            count_read(table, "rest", sum(column.nbytes for column in found.values()))
        return self._rests[table, key]

    def has_rest_key(self, table: TableName, key: str) -> Mask:
        """Return the rows for which `rest` holds a key, whatever its value."""
        keys = self.column(table, REST_KEYS)
        if keys is not None and keys.dictionary is not None and keys.offsets is not None:
            found = matching_texts(BinaryOperator.EQUAL, keys.dictionary, key)
            if found.any():
                return any_in_list(look_up(keys.data, found), keys.offsets)
        return np.zeros(self.row_count(table), np.uint8)

    def row_count(self, table: TableName) -> int:
        """Return how many rows of a table belong to the unit."""
        if table == "spans":
            return self.meta.stop_span - self.meta.first_span
        if table == "traces":
            return self.meta.stop_trace - self.meta.first_trace
        return len(self.data(table, _COUNTED[table]))

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """The first span of each trace, and behind them the number of spans (traces + 1)."""
        if self._offsets is None:
            counts = self.data("traces", "span_count")
            self._offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        return self._offsets

    @property
    def trace_numbers(self) -> npt.NDArray[np.uint32]:
        """The trace of each span, counted within the unit."""
        if self._trace_numbers is None:
            traces = np.arange(self.row_count("traces"), dtype=np.uint32)
            self._trace_numbers = np.repeat(traces, np.diff(self.offsets))
        return self._trace_numbers

    def lift(self, mask: Mask, table: TableName, target: TableName) -> Mask:
        """Return a mask over rows of `table` as one over rows of `target` (spans, events or links)."""
        if table == target:
            return mask
        if target != "spans":
            over_spans: Mask = self.lift(mask, table, "spans")[self._owners(target)]
            return over_spans
        if table == "traces":
            return spread(mask, self.offsets)
        if table in _NUMBERED:
            return look_up(self.data("spans", _NUMBERED[table]), mask)
        return any_of_owner(mask, self.data(table, "span"), self.row_count("spans"))

    def references(self, table: TableName) -> npt.NDArray[np.uint32]:
        """Return for each span its row of resources, scopes or traces."""
        return self.trace_numbers if table == "traces" else self.data("spans", _NUMBERED[table])

    def rows_in(self, table: TableName, target: TableName) -> Rows | None:
        """Return for each row of `target` the row of `table` it belongs to; None where they are the same."""
        if table == target:
            return None
        if target != "spans":
            rows = self.rows_in(table, "spans")
            owners = self._owners(target)
            return owners if rows is None else rows[owners]
        return self.references(table).astype(np.int64)

    def rows_at(self, table: TableName, spans: Rows) -> Rows:
        """Return the rows of `table` (no events or links) to which these spans belong."""
        if table == "spans":
            return spans
        if table == "traces":
            return np.searchsorted(self.offsets, spans, side="right") - 1
        return self.data("spans", _NUMBERED[table])[spans].astype(np.int64)

    def rows_of(self, table: TableName, spans: Rows) -> tuple[Rows, Rows]:
        """Return the events (or links) of these spans, and for each the place of its span among them."""
        owners = self._owners(table)
        first, stop = (np.searchsorted(owners, spans, side=side) for side in ("left", "right"))
        counts = stop - first
        places = np.repeat(np.arange(len(spans)), counts)
        nth = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        return first[places] + nth, places

    def _owners(self, table: TableName) -> npt.NDArray[Any]:
        return self.data(table, "span").astype(np.int64)
