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
from traceql import parse_attribute, shown
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

#: The types that `attribute::type` may name.
TYPE_NAMES: Mapping[StaticType, str] = {
    StaticType.STRING: "str",
    StaticType.INT: "int",
    StaticType.FLOAT: "float",
    StaticType.BOOL: "bool",
}
TYPES_NAMED: Mapping[str, StaticType] = {name: type_ for type_, name in TYPE_NAMES.items()}


@dataclass(frozen=True, slots=True)
class FrameColumn:
    """A column of the frame: an attribute, and the type its values have where all have the same.

    Where the type is `forced`, values of other types are null.
    """

    attribute: AttributeReference
    type: StaticType | None
    forced: bool = False

    @property
    def name(self) -> str:
        """The column's name: the attribute's, with its type where that was asked for."""
        text = shown(self.attribute)
        return f"{text}::{TYPE_NAMES[self.type]}" if self.forced and self.type is not None else text

    @property
    def arrow_type(self) -> pa.DataType:
        """The column's type; values of mixed types are text."""
        return pa.string() if self.type is None else _ARROW.get(self.type, pa.string())


def spans_frame(plan: Plan, shards: Iterable[Shard], names: Sequence[str] | None = None) -> dd.DataFrame:
    """Return the matching spans, a row each; nothing is read before the frame is computed.

    `names` are the columns to have: names of `OWN_FIELDS` and attributes, `span.key::int` those of one type. Raises
    ParseError where one is neither.
    """
    known = list(shards)
    metas = [shard.source.meta for shard in known]
    if names is None:
        wanted = dict.fromkeys((*ALWAYS, *(shown.attribute for shown in plan.shown)))
        chunk = FrameChunk(plan, tuple(FrameColumn(attribute, _common_type(attribute, metas)) for attribute in wanted))
    else:
        own = tuple(dict.fromkeys(name for name in names if name in OWN_FIELDS))
        others = dict.fromkeys(_column(name, metas) for name in names if name not in OWN_FIELDS)
        chunk = FrameChunk(plan, tuple(others), own)
    units: tuple[ScanUnit | None, ...] = units_of(known, plan)
    if not units:
        units = (None,)
    frame: dd.DataFrame = dd.from_map(chunk, units, meta=chunk.empty())  # type: ignore[no-untyped-call]
    return frame


@dataclass(frozen=True, slots=True)
class FrameChunk:
    """Reads the matching spans of one unit: of their `own` fields these alone, then `columns`."""

    plan: Plan
    columns: tuple[FrameColumn, ...]
    own: tuple[str, ...] = tuple(OWN_FIELDS)

    def __call__(self, unit: ScanUnit | None) -> pd.DataFrame:
        """Return the spans as a pandas frame with Arrow types; of no unit an empty one."""
        if unit is None:
            return self.empty()
        scan = UnitScan.of(unit)
        spansets = apply_stages(self.plan.stages, all_spans(unit, scan, self.plan.window), scan)
        rows = np.flatnonzero(spansets.mask.view(np.bool_))
        arrays = [
            *(_own_array(name, rows, scan.reader) for name in self.own),
            *(_array(column, rows, scan) for column in self.columns),
        ]
        return _pandas(pa.table(arrays, schema=self.schema))

    def empty(self) -> pd.DataFrame:
        """Return a frame without rows: names and types."""
        return _pandas(self.schema.empty_table())

    @property
    def schema(self) -> pa.Schema:
        """The columns of the frame."""
        own = [pa.field(name, OWN_FIELDS[name]) for name in self.own]
        return pa.schema([*own, *(pa.field(column.name, column.arrow_type) for column in self.columns)])


def _pandas(table: pa.Table) -> pd.DataFrame:
    return cast("pd.DataFrame", table.to_pandas(types_mapper=pd.ArrowDtype))


def _own_array(name: str, rows: Rows, reader: UnitReader) -> pa.Array[Any]:
    match name:
        case "trace_id":
            traces = take_rows(reader.own("traces", "trace_id"), reader.rows_at("traces", rows))
            return _texts(hex_column(traces, stripped=False))
        case "span_id":
            return _texts(hex_column(take_rows(reader.own("spans", "span_id"), rows), stripped=False))
        case "start":
            return pa.array(reader.data("spans", "start")[rows]).view(_TIME)
    return pa.array(reader.data("spans", name)[rows])


def _texts(column: Column) -> pa.Array[Any]:
    codes: Any = column.data
    texts: pa.Array[Any] = pa.DictionaryArray.from_arrays(codes, column.dictionary).cast(pa.string())
    return texts


def _array(column: FrameColumn, rows: Rows, scan: UnitScan) -> pa.Array[Any]:
    values = values_in(scan.binder.operand(column.attribute), "spans", scan.reader).take(rows)
    if column.forced:
        values = Values(values.rows, tuple(part for part in values.parts if part.type is column.type))
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


def _column(name: str, metas: Sequence[SourceMeta]) -> FrameColumn:
    """Return the column of this name. Raises ParseError."""
    text, separator, suffix = name.rpartition("::")
    if separator and suffix in TYPES_NAMED:
        return FrameColumn(parse_attribute(text), TYPES_NAMED[suffix], forced=True)
    attribute = parse_attribute(name)
    return FrameColumn(attribute, _common_type(attribute, metas))


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
