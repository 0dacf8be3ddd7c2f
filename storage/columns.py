"""The columns of a span: tables, their names, and the sources a query scans.

Six Arrow tables hold spans, from the decoder to the oldest block alike:

========== ================= ==============================================================================
table      a row is          own columns (attributes follow, named by `column_name`)
========== ================= ==============================================================================
spans      a span            see `SPAN_FIELDS`; `resource` and `scope` number rows of the tables below
traces     a trace           see `TRACE_FIELDS`; in the order of the spans, only in sorted tables
resources  a resource        `schema_url`, `dropped_attributes`
scopes     an instr. scope   `name`, `version`, `schema_url`, `dropped_attributes`
events     an event          `span` (row of its span), `time`, `name`, `dropped_attributes`
links      a link            `span`, `trace_id`, `span_id`, `trace_state`, `flags`, `dropped_attributes`
========== ================= ==============================================================================

An attribute is a column `<scope>.<key>::<type>`, so `span.http.status_code::int` and
`span.http.status_code::str` stand side by side where values are mixed, and many blocks union by name.
What has no column stands in the list column `rest`: keys beyond the bound on columns, the second and
later values of a key repeated on one span, and values of no column type (bytes, maps, mixed, nested and
empty arrays, no value at all). A query looks in `rest` only where no typed column of that key has a value.

Times are nanoseconds since 1970 in 64 bits, kept as sent; `duration_ns` is end minus start modulo 2**64,
so start plus duration gives back the end exactly even where a clock ran backwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Scope = Literal["span", "resource", "instrumentation", "event", "link"]
TableName = Literal["spans", "traces", "resources", "scopes", "events", "links"]
TypeName = Literal["str", "int", "float", "bool", "str[]", "int[]", "float[]", "bool[]"]

TABLE_OF_SCOPE: Mapping[Scope, TableName] = {
    "span": "spans",
    "resource": "resources",
    "instrumentation": "scopes",
    "event": "events",
    "link": "links",
}

STRING = pa.dictionary(pa.int32(), pa.string())
TIME = pa.timestamp("ns", tz="UTC")
TRACE_ID = pa.binary(16)
SPAN_ID = pa.binary(8)

ARROW_TYPES: Mapping[TypeName, pa.DataType] = {
    "str": STRING,
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "str[]": pa.list_(pa.string()),
    "int[]": pa.list_(pa.int64()),
    "float[]": pa.list_(pa.float64()),
    "bool[]": pa.list_(pa.bool_()),
}

#: One entry of `rest`: exactly one of the value fields is set; `other` holds an OTLP `AnyValue` in wire
#: form (empty bytes: a key without a value).
REST = pa.list_(
    pa.struct(
        [
            pa.field("key", pa.string(), nullable=False),
            pa.field("str", pa.string()),
            pa.field("int", pa.int64()),
            pa.field("float", pa.float64()),
            pa.field("bool", pa.bool_()),
            pa.field("other", pa.binary()),
        ]
    )
)

#: At most this many attribute columns in one table; the rarer keys go to `rest`.
MAX_ATTRIBUTE_COLUMNS = 1000

#: Columns every spans table has, as decoded. Absent ids are null.
SPAN_FIELDS: tuple[pa.Field, ...] = (
    pa.field("trace_id", TRACE_ID, nullable=False),
    pa.field("span_id", SPAN_ID, nullable=False),
    pa.field("parent_span_id", SPAN_ID),
    pa.field("start", TIME, nullable=False),
    pa.field("duration_ns", pa.int64(), nullable=False),
    pa.field("name", STRING, nullable=False),
    pa.field("kind", pa.int32(), nullable=False),
    pa.field("status", pa.int32(), nullable=False),
    pa.field("status_message", STRING, nullable=False),
    pa.field("trace_state", STRING, nullable=False),
    pa.field("flags", pa.uint32(), nullable=False),
    pa.field("dropped_attributes", pa.uint32(), nullable=False),
    pa.field("dropped_events", pa.uint32(), nullable=False),
    pa.field("dropped_links", pa.uint32(), nullable=False),
    pa.field("resource", pa.uint32(), nullable=False),
    pa.field("scope", pa.uint32(), nullable=False),
)

#: Added to a spans table when it is sorted: the row in traces and the nested-set numbers. Numbers start
#: at 1 in every trace and run on over its trees; `nested_parent` is the parent's `nested_left`, -1 for a
#: span without a parent id, 0 for a span whose parent is not in the trace.
NESTED_FIELDS: tuple[pa.Field, ...] = (
    pa.field("trace", pa.uint32(), nullable=False),
    pa.field("nested_left", pa.int32(), nullable=False),
    pa.field("nested_right", pa.int32(), nullable=False),
    pa.field("nested_parent", pa.int32(), nullable=False),
)

#: `root_service` and `root_name` are null where no root span has arrived (`root_service` also where the
#: root has no service name). `services` has one entry per service name ("" where there is none).
TRACE_FIELDS: tuple[pa.Field, ...] = (
    pa.field("trace_id", TRACE_ID, nullable=False),
    pa.field("first_span", pa.uint32(), nullable=False),
    pa.field("span_count", pa.uint32(), nullable=False),
    pa.field("start", TIME, nullable=False),
    pa.field("end", TIME, nullable=False),
    pa.field("root_service", STRING),
    pa.field("root_name", STRING),
    pa.field(
        "services",
        pa.list_(pa.struct([("service", pa.string()), ("spans", pa.uint32()), ("errors", pa.uint32())])),
        nullable=False,
    ),
)

RESOURCE_FIELDS: tuple[pa.Field, ...] = (
    pa.field("schema_url", STRING, nullable=False),
    pa.field("dropped_attributes", pa.uint32(), nullable=False),
)
SCOPE_FIELDS: tuple[pa.Field, ...] = (
    pa.field("name", STRING, nullable=False),
    pa.field("version", STRING, nullable=False),
    *RESOURCE_FIELDS,
)
EVENT_FIELDS: tuple[pa.Field, ...] = (
    pa.field("span", pa.uint32(), nullable=False),
    pa.field("time", TIME, nullable=False),
    pa.field("name", STRING, nullable=False),
    pa.field("dropped_attributes", pa.uint32(), nullable=False),
)
LINK_FIELDS: tuple[pa.Field, ...] = (
    pa.field("span", pa.uint32(), nullable=False),
    pa.field("trace_id", TRACE_ID),
    pa.field("span_id", SPAN_ID),
    pa.field("trace_state", STRING, nullable=False),
    pa.field("flags", pa.uint32(), nullable=False),
    pa.field("dropped_attributes", pa.uint32(), nullable=False),
)
REST_FIELD = pa.field("rest", REST)

#: The keys of `rest`, which every source with a `rest` lets one read as a list column of its own.
REST_KEYS = "rest.key"


def column_name(scope: Scope, key: str, type_name: TypeName) -> str:
    """Return the name of the column that holds `key` of `scope` where its values are of `type_name`."""
    return f"{scope}.{key}::{type_name}"


def is_attribute_column(name: str) -> bool:
    """Return whether a column holds an attribute (own columns have no `::` in their name)."""
    return "::" in name


def split_column_name(name: str) -> tuple[Scope, str, TypeName]:
    """Undo `column_name`; the key may hold dots and colons itself."""
    scope, _, rest = name.partition(".")
    key, _, type_name = rest.rpartition("::")
    return scope, key, type_name  # type: ignore[return-value]  # names are made by column_name alone


@dataclass(frozen=True, slots=True)
class SpanTables:
    """Spans with all they carry, in memory.

    As decoded: rows in order of arrival, `traces` is None. As sorted by `storage.merge`: traces in order
    of (start, id), spans of a trace in nested-set order, `NESTED_FIELDS` and `traces` present, events and
    links in the order of their spans, no span twice, no resource or scope twice.
    """

    spans: pa.Table
    resources: pa.Table
    scopes: pa.Table
    events: pa.Table
    links: pa.Table
    traces: pa.Table | None = None

    def table(self, name: TableName) -> pa.Table:
        """Return one of the six tables."""
        table = getattr(self, name)
        if table is None:
            msg = f"these spans are not sorted, so they have no table of {name}"
            raise ValueError(msg)
        return table

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the columns take."""
        tables = (self.spans, self.resources, self.scopes, self.events, self.links, self.traces)
        return sum(t.nbytes for t in tables if t is not None)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one scan unit as arrays that kernels take.

    `data` holds a value a row: int32 codes into `dictionary` for strings, int64 (times and durations too),
    float64, uint8 (booleans), int32 or uint32 as the field says, (rows, 8 or 16) uint8 for ids. A null has
    an arbitrary value in `data` and 0 in `valid`; `valid` is None where every row has a value. For lists
    `offsets` (int32, rows + 1) cuts `data` (and its dictionary codes) into rows. Arrays are read-only.
    """

    data: npt.NDArray[np.generic]
    valid: npt.NDArray[np.uint8] | None = None
    dictionary: pa.StringArray | None = None
    offsets: npt.NDArray[np.int32] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the column takes, its dictionary included."""
        arrays = (self.data, self.valid, self.offsets)
        size = sum(a.nbytes for a in arrays if a is not None)
        return size + (0 if self.dictionary is None else self.dictionary.nbytes)


@dataclass(frozen=True, slots=True)
class ColumnMeta:
    """What is known of an attribute column without reading it: what prunes, and what tag lists need."""

    count: int  # rows that have a value
    distinct: tuple[str | int | float | bool, ...] | None = None  # all values, while they are few
    minimum: int | float | None = None
    maximum: int | float | None = None


@dataclass(frozen=True, slots=True)
class UnitMeta:
    """A run of whole traces, read and scanned together (a row group of a block)."""

    first_span: int
    stop_span: int
    first_trace: int
    stop_trace: int
    start_ns: int  # earliest trace start
    end_ns: int  # latest trace end


@dataclass(frozen=True, slots=True)
class SourceMeta:
    """What is known of a source without reading it.

    `columns` maps each attribute column (all tables) to what is known of it; `rest_keys` has the tables with a
    `rest` and the keys in it, None where they are too many to list; `start_ns` and `end_ns` bound every trace.
    """

    id: str
    tenant: str
    span_count: int
    trace_count: int
    start_ns: int
    end_ns: int
    units: tuple[UnitMeta, ...]
    columns: Mapping[str, ColumnMeta]
    rest_keys: Mapping[TableName, frozenset[str] | None]

    def may_be_in_rest(self, table: TableName, key: str) -> bool:
        """Return whether `rest` of a table may hold values of a key."""
        keys = self.rest_keys.get(table, frozenset())
        return keys is None or key in keys


class ScanSource(Protocol):
    """Sorted spans that do not change: a block, a live chunk, or traces stitched from several of them.

    All methods may be called from many threads at once, and must release what they hold on error. Two
    sources with equal `meta.id` hold equal rows for ever, so results may be cached under it.
    """

    @property
    def meta(self) -> SourceMeta:
        """Return what is known without reading."""
        ...

    def read(self, table: TableName, name: str, unit: int) -> Column | None:
        """Return a column of one unit, or None where the source has no such column.

        Of `spans` and `traces` the rows of that unit; of `events` and `links` those of the unit's spans
        (their `span` numbers count within the unit); of `resources` and `scopes` all rows, whatever `unit`.
        """
        ...

    def read_rest(self, table: TableName, key: str, unit: int) -> Mapping[TypeName, Column]:
        """Return the values of a key that `rest` holds, by type, over the rows that `read` would return."""
        ...

    def find(self, trace_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Return for each id (n, 16) its row in traces, or -1."""
        ...

    def sorted_trace_ids(self) -> npt.NDArray[np.uint8]:
        """Return all trace ids (traces, 16), ascending bytewise; may be a memory map."""
        ...

    def take_traces(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> SpanTables:
        """Return every column of the given traces (rows of `traces`), sorted as `SpanTables` says."""
        ...
