"""Spans as a Dask dataframe: the same plan and the same scan units, a partition each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa

from storage.columns import Column, SourceMeta
from tempo_dask.physical.all_stages import apply_stages
from tempo_dask.physical.binder import Binder
from tempo_dask.physical.bound import AttributeColumns, FirstOf, Operand
from tempo_dask.physical.ids import hex_column
from tempo_dask.physical.operands import values_in
from tempo_dask.physical.reader import Rows, UnitReader
from tempo_dask.physical.shown_values import shown_values
from tempo_dask.physical.spansets import UnitScan, all_spans
from tempo_dask.physical.units import ScanUnit, Shard, units_of
from tempo_dask.physical.values import Values, take_rows
from tempo_dask.plan.nodes import Plan
from traceql import shown
from traceql.ast import Attribute, AttributeReference, Intrinsic
from traceql.attributes import AttributeScope, IntrinsicKind
from traceql.types import StaticType

_TIME = pa.timestamp("ns", tz="UTC")

#: Columns that every frame has, in this order; the attributes of the query follow.
OWN_FIELDS: Mapping[str, pa.DataType] = {
    "trace_id": pa.string(),
    "span_id": pa.string(),
    "start": _TIME,
    "duration_ns": pa.int64(),
}
ALWAYS: tuple[AttributeReference, ...] = (
    Intrinsic(IntrinsicKind.NAME),
    Attribute(AttributeScope.RESOURCE, "service.name"),
    Intrinsic(IntrinsicKind.STATUS),
    Intrinsic(IntrinsicKind.KIND),
)
#: Durations are shown as numbers here; statuses and kinds as words.
_ARROW: Mapping[StaticType, pa.DataType] = {
    StaticType.INT: pa.int64(),
    StaticType.FLOAT: pa.float64(),
    StaticType.BOOL: pa.bool_(),
    StaticType.DURATION: pa.int64(),
}


@dataclass(frozen=True, slots=True)
class FrameColumn:
    """A column of the frame: an attribute, and the type its values have where all have the same."""

    attribute: AttributeReference
    type: StaticType | None

    @property
    def arrow_type(self) -> pa.DataType:
        """The column's type; values of mixed types are text."""
        return pa.string() if self.type is None else _ARROW.get(self.type, pa.string())


def spans_frame(plan: Plan, shards: Iterable[Shard]) -> dd.DataFrame:
    """Return the matching spans, a row each; nothing is read before the frame is computed."""
    known = list(shards)
    metas = [shard.source.meta for shard in known]
    wanted = dict.fromkeys((*ALWAYS, *(shown.attribute for shown in plan.shown)))
    columns = tuple(FrameColumn(attribute, _common_type(attribute, metas)) for attribute in wanted)
    chunk = FrameChunk(plan, columns)
    units: tuple[ScanUnit | None, ...] = units_of(known, plan)
    if not units:
        units = (None,)
    frame: dd.DataFrame = dd.from_map(chunk, units, meta=chunk.empty())  # type: ignore[no-untyped-call]
    return frame


@dataclass(frozen=True, slots=True)
class FrameChunk:
    """Reads the matching spans of one unit."""

    plan: Plan
    columns: tuple[FrameColumn, ...]

    def __call__(self, unit: ScanUnit | None) -> pd.DataFrame:
        """Return the spans as a pandas frame with Arrow types; of no unit an empty one."""
        if unit is None:
            return self.empty()
        scan = UnitScan.of(unit)
        spansets = apply_stages(self.plan.stages, all_spans(unit, scan, self.plan.window), scan)
        rows = np.flatnonzero(spansets.mask)
        arrays = [*_own_arrays(rows, scan.reader), *(_array(column, rows, scan) for column in self.columns)]
        return _pandas(pa.table(arrays, schema=self.schema))

    def empty(self) -> pd.DataFrame:
        """Return a frame without rows: names and types."""
        return _pandas(self.schema.empty_table())

    @property
    def schema(self) -> pa.Schema:
        """The columns of the frame."""
        own = [pa.field(name, type_) for name, type_ in OWN_FIELDS.items()]
        return pa.schema([*own, *(pa.field(shown(c.attribute), c.arrow_type) for c in self.columns)])


def _pandas(table: pa.Table) -> pd.DataFrame:
    return cast("pd.DataFrame", table.to_pandas(types_mapper=pd.ArrowDtype))


def _own_arrays(rows: Rows, reader: UnitReader) -> Iterable[pa.Array[Any]]:
    traces = take_rows(reader.own("traces", "trace_id"), reader.rows_at("traces", rows))
    spans = take_rows(reader.own("spans", "span_id"), rows)
    yield _texts(hex_column(traces, stripped=False))
    yield _texts(hex_column(spans, stripped=False))
    yield pa.array(reader.data("spans", "start")[rows]).view(_TIME)
    yield pa.array(reader.data("spans", "duration_ns")[rows])


def _texts(column: Column) -> pa.Array[Any]:
    codes: Any = column.data
    texts: pa.Array[Any] = pa.DictionaryArray.from_arrays(codes, column.dictionary).cast(pa.string())
    return texts


def _array(column: FrameColumn, rows: Rows, scan: UnitScan) -> pa.Array[Any]:
    values = values_in(scan.binder.operand(column.attribute), "spans", scan.reader).take(rows)
    if column.type is StaticType.STRING:
        return _strings(values)
    if column.type in _ARROW:
        return _numbers(values, column.arrow_type)
    return _as_text(values)


def _strings(values: Values) -> pa.Array[Any]:
    for part in values.parts:
        mask = None if part.column.valid is None else part.column.valid == 0
        codes: Any = pa.array(part.column.data, mask=mask)
        found: pa.Array[Any] = pa.DictionaryArray.from_arrays(codes, part.column.dictionary).cast(pa.string())
        return found
    return pa.array([None] * values.rows, pa.string())


def _numbers(values: Values, type_: pa.DataType) -> pa.Array[Any]:
    for part in values.parts:
        mask = None if part.column.valid is None else part.column.valid == 0
        found: pa.Array[Any] = pa.array(part.column.data, mask=mask).cast(type_)
        return found
    return pa.array([None] * values.rows, type_)


def _as_text(values: Values) -> pa.Array[Any]:
    """Return values of mixed types, arrays, statuses and kinds as text."""
    texts: list[str | None] = [None] * values.rows
    for part in values.parts:
        for row, value in enumerate(shown_values(part)):
            if value is not None:
                texts[row] = str(value)
    return pa.array(texts, pa.string())


def _common_type(attribute: AttributeReference, metas: Sequence[SourceMeta]) -> StaticType | None:
    """Return the type of all values of an attribute, None where they are mixed or arrays."""
    if isinstance(attribute, Intrinsic):
        return attribute.kind.type
    types = {type_ for meta in metas for type_ in _types(Binder(meta).operand(attribute))}
    found = types.pop() if len(types) == 1 else None
    return found if found is StaticType.STRING or found in _ARROW else None


def _types(operand: Operand) -> Iterable[StaticType | None]:
    match operand:
        case AttributeColumns(columns=columns, rest_key=rest_key):
            yield from (column.type for column in columns)
            if rest_key is not None:
                yield None
        case FirstOf(first=first, second=second):
            yield from (*_types(first), *_types(second))
        case _:
            return
