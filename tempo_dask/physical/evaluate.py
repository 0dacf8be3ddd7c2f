"""Where a bound predicate holds in one scan unit."""

from __future__ import annotations

from functools import singledispatch
from typing import cast

import numpy as np

from storage.columns import Column
from tempo_dask.kernels.predicates import Mask, any_of_owner
from tempo_dask.physical.bound import (
    AllOf,
    AnyOf,
    Boolean,
    Comparison,
    Constant,
    Fixed,
    InRest,
    IntrinsicColumn,
    Negated,
    Predicate,
    Present,
    RowPredicate,
    SomeRow,
    Truth,
)
from tempo_dask.physical.compare import compare_with_constant, compare_with_values
from tempo_dask.physical.ids import equal_to, parse_id
from tempo_dask.physical.intrinsics import INTRINSICS
from tempo_dask.physical.operands import values_in, values_of
from tempo_dask.physical.reader import UnitReader
from tempo_dask.physical.values import Part, Values
from traceql.attributes import IntrinsicKind
from traceql.operators import BinaryOperator
from traceql.types import StaticType

_EQUALITY = frozenset({BinaryOperator.EQUAL, BinaryOperator.NOT_EQUAL})


def matching_spans(predicate: Predicate, reader: UnitReader) -> Mask:
    """Return the spans of the unit for which the predicate holds."""
    if isinstance(predicate, Fixed):
        return np.full(reader.row_count("spans"), predicate.value, np.uint8)
    return reader.lift(mask_of(predicate, reader), predicate.table, "spans")


@singledispatch
def mask_of(predicate: RowPredicate, reader: UnitReader) -> Mask:
    """Return where the predicate holds, over the rows of its table."""
    msg = f"no evaluation of {predicate!r} in {reader.source.meta.id}"
    raise NotImplementedError(msg)


@mask_of.register
def _comparison(predicate: Comparison, reader: UnitReader) -> Mask:
    lhs, rhs, op = predicate.lhs, predicate.rhs, predicate.op
    if isinstance(rhs, Constant):
        if isinstance(lhs, IntrinsicColumn) and lhs.kind.is_id:
            return _compare_id(lhs, op, rhs, reader)
        return compare_with_constant(op, values_in(lhs, predicate.table, reader), rhs)
    return compare_with_values(op, *(values_in(side, predicate.table, reader) for side in (lhs, rhs)))


@mask_of.register
def _boolean(predicate: Boolean, reader: UnitReader) -> Mask:
    values = values_in(predicate.operand, predicate.table, reader)
    scalars = tuple(part for part in values.parts if part.type is StaticType.BOOL)
    constant = Constant(StaticType.BOOL, predicate.value)
    return compare_with_constant(BinaryOperator.EQUAL, Values(values.rows, scalars), constant)


@mask_of.register
def _present(predicate: Present, reader: UnitReader) -> Mask:
    return values_in(predicate.operand, predicate.table, reader).present()


@mask_of.register
def _in_rest(predicate: InRest, reader: UnitReader) -> Mask:
    return reader.has_rest_key(predicate.table, predicate.key)


@mask_of.register
def _all_of(predicate: AllOf, reader: UnitReader) -> Mask:
    found: Mask | None = None
    for operand in predicate.operands:
        mask = _lifted(operand, predicate, reader)
        found = mask if found is None else found & mask
        if not found.any():
            break
    return found if found is not None else np.ones(reader.row_count(predicate.table), np.uint8)


@mask_of.register
def _any_of(predicate: AnyOf, reader: UnitReader) -> Mask:
    found = np.zeros(reader.row_count(predicate.table), np.uint8)
    for operand in predicate.operands:
        found |= _lifted(operand, predicate, reader)
    return found


@mask_of.register
def _negated(predicate: Negated, reader: UnitReader) -> Mask:
    return _lifted(predicate.operand, predicate, reader) ^ np.uint8(1)


@mask_of.register
def _some_row(predicate: SomeRow, reader: UnitReader) -> Mask:
    operand = cast("RowPredicate", predicate.operand)
    mask = mask_of(operand, reader)
    return any_of_owner(mask, reader.data(operand.table, "span"), reader.row_count("spans"))


@values_of.register
def _truth(operand: Truth, reader: UnitReader) -> Values:
    mask = _lifted(operand.predicate, operand, reader)
    return Values(len(mask), (Part(StaticType.BOOL, Column(mask)),))


def _lifted(predicate: Predicate, onto: RowPredicate | Truth, reader: UnitReader) -> Mask:
    if isinstance(predicate, Fixed):
        return np.full(reader.row_count(onto.table), predicate.value, np.uint8)
    return reader.lift(mask_of(predicate, reader), predicate.table, onto.table)


def _compare_id(lhs: IntrinsicColumn, op: BinaryOperator, rhs: Constant, reader: UnitReader) -> Mask:
    column = reader.own(lhs.table, cast("str", INTRINSICS[lhs.kind].id_column))
    text = str(rhs.value)
    if op in _EQUALITY:
        mask = equal_to(column, _wanted_id(lhs.kind, text, column.data.shape[1]))
        mask = mask if op is BinaryOperator.EQUAL else mask ^ np.uint8(1)
    else:
        mask = compare_with_constant(op, values_of(lhs, reader), rhs)
    # A root has a parent id of zeros for every comparison but one with the empty text.
    is_root_left_out = lhs.kind is IntrinsicKind.PARENT_ID and not text and column.valid is not None
    return mask & cast("Mask", column.valid) if is_root_left_out else mask


def _wanted_id(kind: IntrinsicKind, text: str, size: int) -> bytes | None:
    """Return the id that a text spells: a trace id with or without leading zeros, one of a link only without."""
    if kind is IntrinsicKind.LINK_TRACE_ID:
        return None if text.startswith("0") else parse_id(text, size, padded=True)
    return parse_id(text, size, padded=kind is IntrinsicKind.TRACE_ID)
