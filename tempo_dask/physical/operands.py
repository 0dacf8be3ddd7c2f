"""What an operand's values are in one scan unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import Column, TableName, TypeName
from tempo_dask.physical.arithmetic import compute
from tempo_dask.physical.bound import (
    Absent,
    Arithmetic,
    AttributeColumns,
    Constant,
    FirstOf,
    IntrinsicColumn,
    Negation,
    Operand,
)
from tempo_dask.physical.ids import hex_column
from tempo_dask.physical.intrinsics import INTRINSICS
from tempo_dask.physical.reader import Rows, UnitReader
from tempo_dask.physical.values import Part, Values, take_rows
from traceql.types import StaticType

STATIC_TYPES: Mapping[TypeName, StaticType] = {
    "str": StaticType.STRING,
    "int": StaticType.INT,
    "float": StaticType.FLOAT,
    "bool": StaticType.BOOL,
    "str[]": StaticType.STRING_ARRAY,
    "int[]": StaticType.INT_ARRAY,
    "float[]": StaticType.FLOAT_ARRAY,
    "bool[]": StaticType.BOOL_ARRAY,
}
_JOINED: tuple[TableName, ...] = ("events", "links")
_DTYPES: Mapping[StaticType, Any] = {
    StaticType.INT: np.int64,
    StaticType.DURATION: np.int64,
    StaticType.FLOAT: np.float64,
    StaticType.BOOL: np.uint8,
    StaticType.STATUS: np.int32,
    StaticType.KIND: np.int32,
}


@singledispatch
def values_of(operand: Operand, reader: UnitReader) -> Values:
    """Return the values of an operand over the rows of its table."""
    msg = f"no values for {operand!r} of {reader.source.meta.id}"
    raise NotImplementedError(msg)


def values_in(operand: Operand, table: TableName, reader: UnitReader) -> Values:
    """Return the values of an operand over the rows of `table`, to which the rows of its own table belong."""
    if isinstance(operand, Constant):
        return _repeat(operand, reader.row_count(table))
    if isinstance(operand, Absent):
        return Values(reader.row_count(table), ())
    values = values_of(operand, reader)
    own_table = operand_table(operand)
    if own_table in _JOINED and table == "spans":
        return _first_present(values, own_table, reader)
    rows = reader.rows_in(own_table, table)
    return values if rows is None else values.take(rows)


def _first_present(values: Values, table: TableName, reader: UnitReader) -> Values:
    """Return for each span the value of its first event (or link) that has one."""
    present = np.flatnonzero(values.present().view(np.bool_))
    owners, first = np.unique(reader.data(table, "span")[present], return_index=True)
    rows = np.zeros(reader.row_count("spans"), np.int64)
    found = np.zeros(len(rows), np.uint8)
    rows[owners], found[owners] = present[first], 1
    return values.take(rows).where(found) if len(present) else Values(len(rows), ())


def values_at(operand: AttributeColumns | IntrinsicColumn, rows: Rows, reader: UnitReader) -> Values:
    """Return the values of few rows of the operand's table."""
    if isinstance(operand, IntrinsicColumn) and operand.kind.is_id:
        source = INTRINSICS[operand.kind]
        raw = take_rows(reader.own(operand.table, str(source.id_column)), rows)
        return Values(len(rows), (Part(source.type, hex_column(raw, stripped=source.is_stripped)),))
    return values_of(operand, reader).take(rows)


def scalars(values: Values) -> Values:
    """Return arrays of one element as that element, without the other arrays."""
    return Values(values.rows, tuple(_single(part) if part.type.is_array else part for part in values.parts))


def numeric(values: Values) -> Values:
    """Return the values that are numbers."""
    return Values(values.rows, tuple(part for part in values.parts if part.type.is_numeric))


def _single(part: Part) -> Part:
    column = part.column
    offsets = column.offsets if column.offsets is not None else np.zeros(1, np.int32)
    single = (np.diff(offsets) == 1).view(np.uint8)
    valid = single if column.valid is None else single & column.valid
    rows = np.where(single, offsets[:-1], 0)
    data = column.data[rows] if len(column.data) else np.zeros(len(rows), column.data.dtype)
    return Part(part.type.element, Column(data, valid, column.dictionary))


def operand_table(operand: Operand) -> TableName:
    """Return the table whose rows an operand has values for; spans for constants."""
    if isinstance(operand, Constant | FirstOf):
        return "spans"
    return operand.table


@values_of.register
def _attribute(operand: AttributeColumns, reader: UnitReader) -> Values:
    rows = reader.row_count(operand.table)
    columns = ((typed.type, reader.column(operand.table, typed.name)) for typed in operand.columns)
    typed = Values(rows, tuple(Part(type_, column) for type_, column in columns if column is not None))
    if operand.rest_key is None:
        return typed
    rest = reader.rest(operand.table, operand.rest_key).items()
    others = Values(rows, tuple(Part(STATIC_TYPES[type_], column) for type_, column in rest if type_ in STATIC_TYPES))
    if not others.parts:
        return typed
    missing: npt.NDArray[np.uint8] = typed.present() ^ np.uint8(1)
    return Values(rows, typed.parts + others.where(missing).parts)


@values_of.register
def _intrinsic(operand: IntrinsicColumn, reader: UnitReader) -> Values:
    source = INTRINSICS[operand.kind]
    return Values(reader.row_count(operand.table), (Part(source.type, source.load(reader)),))


@values_of.register
def _first_of(operand: FirstOf, reader: UnitReader) -> Values:
    first = values_in(operand.first, "spans", reader)
    second = values_in(operand.second, "spans", reader)
    found = first.present()
    if operand.first.rest_key is not None:
        found |= reader.has_rest_key("spans", operand.first.rest_key)
    missing: npt.NDArray[np.uint8] = found ^ np.uint8(1)
    return Values(first.rows, first.parts + second.where(missing).parts)


@values_of.register
def _arithmetic(operand: Arithmetic, reader: UnitReader) -> Values:
    lhs, rhs = (scalars(values_in(side, operand.table, reader)) for side in (operand.lhs, operand.rhs))
    return compute(operand.op, lhs, rhs)


@values_of.register
def _negation(operand: Negation, reader: UnitReader) -> Values:
    values = scalars(values_in(operand.operand, operand.table, reader))
    numbers = [part for part in values.parts if part.type.is_numeric]
    negated = tuple(Part(part.type, replace(part.column, data=np.negative(part.column.data))) for part in numbers)
    missing: npt.NDArray[np.uint8] = values.present() ^ np.uint8(1)
    without = Part(StaticType.BOOL, Column(np.zeros(values.rows, np.uint8), missing))
    return Values(values.rows, (*negated, without))


def _repeat(constant: Constant, rows: int) -> Values:
    if constant.type is StaticType.STRING:
        codes: npt.NDArray[np.int32] = np.zeros(rows, np.int32)
        return Values(rows, (Part(constant.type, Column(codes, None, pa.array([constant.value], pa.string()))),))
    dtype = _DTYPES.get(constant.type)
    if dtype is None:
        return Values(rows, ())
    return Values(rows, (Part(constant.type, Column(np.full(rows, constant.value, dtype))),))
