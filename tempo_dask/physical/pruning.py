"""What a source's metadata already tells of a comparison: which of its columns may satisfy it."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa

from storage.columns import Column, ColumnMeta, SourceMeta
from tempo_dask.physical.bound import Constant, TypedColumn
from tempo_dask.physical.compare import comparable, compare_with_constant
from tempo_dask.physical.dictionaries import matching_texts
from tempo_dask.physical.ranges import float_range, integer_range
from tempo_dask.physical.values import Part, Values
from traceql.operators import BinaryOperator
from traceql.types import StaticType


def columns_that_may_satisfy(
    op: BinaryOperator, columns: tuple[TypedColumn, ...], constant: Constant, meta: SourceMeta
) -> tuple[TypedColumn, ...]:
    """Return the columns in which some value may satisfy `value op constant`."""
    return tuple(
        column
        for column in columns
        if comparable(column.type.element, constant.type, op)
        and _may_satisfy(op, column, constant, meta.columns[column.name])
    )


def constants_satisfy(op: BinaryOperator, lhs: Constant, rhs: Constant) -> bool:
    """Return whether `lhs op rhs` holds."""
    if not comparable(lhs.type, rhs.type, op):
        return False
    return bool(_satisfying(op, lhs.type, (cast("str | float", lhs.value),), rhs))


def _may_satisfy(op: BinaryOperator, column: TypedColumn, constant: Constant, meta: ColumnMeta) -> bool:
    if column.type.is_array:
        return True
    if meta.distinct is not None:
        return _satisfying(op, column.type, meta.distinct, constant)
    if meta.minimum is None or meta.maximum is None or op is BinaryOperator.NOT_EQUAL:
        return True
    range_of = integer_range if isinstance(meta.minimum, int) else float_range
    bounds = range_of(op, cast("float", constant.value))
    return bounds is not None and bounds[0] <= meta.maximum and bounds[1] >= meta.minimum


def _satisfying(op: BinaryOperator, type_: StaticType, values: tuple[str | float, ...], constant: Constant) -> bool:
    if type_ is StaticType.STRING:
        return bool(matching_texts(op, pa.array(values, pa.string()), str(constant.value)).any())
    dtype = {StaticType.BOOL: np.uint8, StaticType.FLOAT: np.float64}.get(type_, np.int64)
    part = Part(type_, Column(np.array(values, dtype)))
    return bool(compare_with_constant(op, Values(len(values), (part,)), constant).any())
