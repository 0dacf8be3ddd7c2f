"""A chunk: sorted spans in memory that no longer change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import column_of, owners_within, single_chunk
from storage.columns import REST_FIELD, REST_KEYS, Column, ScanSource, SourceMeta, SpanTables, TableName, TypeName
from storage.describe import describe_source
from storage.merge import merge
from storage.pick import pick_traces
from storage.rest_values import rest_keys, rest_values
from storage.trace_index import TraceIndex
from storage.traces import SERVICE_COLUMNS, services_column


@dataclass(frozen=True)
class Chunk(ScanSource):
    """Sorted tables of one tenant, sealed; they hold all spans of the requests `first_seq` to `last_seq` of a node.

    `arrived_ns` are the arrival times of the first and the last of these requests. What is derived from the
    tables (metadata, index) is made when first asked for.
    """

    tables: SpanTables
    id: str
    tenant: str
    node: str
    first_seq: int
    last_seq: int
    arrived_ns: tuple[int, int]
    unit_spans: int

    @classmethod
    def seal(
        cls,
        tables: SpanTables,
        *,
        id: str,  # noqa: A002  # the contract's name
        tenant: str,
        node: str = "",
        first_seq: int = 0,
        last_seq: int = 0,
        arrived_ns: tuple[int, int] = (0, 0),
        unit_spans: int = 524_288,
    ) -> Chunk:
        """Return a chunk of sorted tables, to be scanned in units of about `unit_spans` spans."""
        tables.table("traces")  # refuses tables that are not sorted
        return cls(tables, id, tenant, node, first_seq, last_seq, arrived_ns, unit_spans)

    @cached_property
    def meta(self) -> SourceMeta:
        """Return what is known without reading."""
        return describe_source(self.tables, id=self.id, tenant=self.tenant, unit_spans=self.unit_spans)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the spans take."""
        return self.tables.nbytes

    @cached_property
    def _index(self) -> TraceIndex:
        return TraceIndex.of(single_chunk(self.tables.table("traces").column("trace_id")))

    def _slice(self, table: TableName, name: str, unit: int) -> pa.Array | None:
        """Return the rows of one unit of a column."""
        source = self.tables.table(table)
        field = SERVICE_COLUMNS.get(name) if table == "traces" else None
        at = source.schema.get_field_index("services" if field else name)  # quicker than a list of all names
        if at < 0:
            return None
        array = single_chunk(source.column(at))
        if table in {"resources", "scopes"}:
            return array
        bounds = self.meta.units[unit]
        if table == "traces":
            rows = array[bounds.first_trace : bounds.stop_trace]
            return services_column(rows, field) if field else rows
        if table == "spans":
            return array[bounds.first_span : bounds.stop_span]
        owners = source.column("span").to_numpy()
        first, stop = np.searchsorted(owners, (bounds.first_span, bounds.stop_span))
        return array[first:stop]

    def read(self, table: TableName, name: str, unit: int) -> Column | None:
        """Return a column of one unit, or None where there is no such column."""
        array = self._slice(table, REST_FIELD.name if name == REST_KEYS else name, unit)
        if array is None:
            return None
        if name == REST_KEYS:
            return column_of(rest_keys(array))
        if name == "span" and table in {"events", "links"}:
            return owners_within(array, self.meta.units[unit].first_span)
        return column_of(array)

    def read_rest(self, table: TableName, key: str, unit: int) -> Mapping[TypeName, Column]:
        """Return the values of a key that `rest` holds, by type."""
        rest = self._slice(table, REST_FIELD.name, unit)
        return {} if rest is None else rest_values(rest, key)

    def find(self, trace_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Return for each id (n, 16) its row in traces, or -1."""
        return self._index.find(trace_ids)

    def sorted_trace_ids(self) -> npt.NDArray[np.uint8]:
        """Return all trace ids (traces, 16), ascending bytewise."""
        return self._index.ids

    def take_traces(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> SpanTables:
        """Return every column of the given traces, sorted."""
        return pick_traces(self.tables, rows)


def merge_chunks(chunks: Sequence[Chunk]) -> Chunk:
    """Return one chunk with the spans of neighbours: chunks of one tenant and node, in order of their requests."""
    first, last = chunks[0], chunks[-1]
    return Chunk.seal(
        merge([chunk.tables for chunk in chunks]),
        id=f"{first.id.partition('~')[0]}~{last.id.rpartition('~')[2]}",
        tenant=first.tenant,
        node=first.node,
        first_seq=min(chunk.first_seq for chunk in chunks),
        last_seq=max(chunk.last_seq for chunk in chunks),
        arrived_ns=(min(c.arrived_ns[0] for c in chunks), max(c.arrived_ns[1] for c in chunks)),
        unit_spans=first.unit_spans,
    )
