"""Comparisons of values: with a constant by ranges and lookup tables, with each other type by type."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.columns import Column
from tempo_dask.kernels.predicates import Mask, any_in_list, between, look_up
from tempo_dask.physical.bound import Constant
from tempo_dask.physical.dictionaries import LOOKUP_TABLES
from tempo_dask.physical.ranges import float_range, integer_range
from tempo_dask.physical.values import Part, Values
from traceql.operators import BinaryOperator
from traceql.types import StaticType

_COMPARE: Mapping[BinaryOperator, Callable[[Any, Any], Any]] = {
    BinaryOperator.EQUAL: operator.eq,
    BinaryOperator.NOT_EQUAL: operator.ne,
    BinaryOperator.LESS: operator.lt,
    BinaryOperator.LESS_EQUAL: operator.le,
    BinaryOperator.GREATER: operator.gt,
    BinaryOperator.GREATER_EQUAL: operator.ge,
}


def compare_with_constant(op: BinaryOperator, values: Values, constant: Constant) -> Mask:
    """Return where `value op constant` holds; of an array, for any element."""
    masks = (
        _elements_to_rows(satisfying_elements(op, part, constant), part.column)
        for part in values.parts
        if comparable(part.type.element, constant.type, op)
    )
    return _any(masks, values.rows)


def compare_with_values(op: BinaryOperator, lhs: Values, rhs: Values) -> Mask:
    """Return where `lhs op rhs` holds, row by row; of arrays, for any pair of elements."""
    masks = (
        _compare_columns(op, left, right)
        for left in lhs.parts
        for right in rhs.parts
        if comparable(left.type.element, right.type.element, op)
    )
    return _any(masks, lhs.rows)


def comparable(left: StaticType, right: StaticType, op: BinaryOperator) -> bool:
    """Return whether values of these two types can satisfy the comparison at all."""
    return (left is right or (left.is_numeric and right.is_numeric)) and op.fits(left) and op.fits(right)


def _any(masks: Iterable[Mask], rows: int) -> Mask:
    found = None
    for mask in masks:
        found = mask if found is None else found | mask
    return np.zeros(rows, np.uint8) if found is None else found


def satisfying_elements(op: BinaryOperator, part: Part, constant: Constant) -> Mask:
    """Return for each value (of arrays, for each element) whether `value op constant` holds; nulls give anything."""
    data = part.column.data
    if not comparable(part.type.element, constant.type, op):
        return np.zeros(len(data), np.uint8)
    if part.column.dictionary is not None:
        return look_up(data, LOOKUP_TABLES.table(op, part.column.dictionary, str(constant.value)))
    if data.dtype == np.uint8:
        return look_up(data, _truth_table(op, bool(constant.value)))
    value = cast("int | float", constant.value)
    bounds = float_range(op, value) if data.dtype == np.float64 else integer_range(op, value)
    mask = np.zeros(len(data), np.uint8) if bounds is None else between(data, *bounds)
    return mask ^ np.uint8(1) if op is BinaryOperator.NOT_EQUAL else mask


def _truth_table(op: BinaryOperator, value: bool) -> Mask:
    equal = op is BinaryOperator.EQUAL
    return np.array([value is not equal, value is equal], np.uint8)


def _elements_to_rows(mask: Mask, column: Column) -> Mask:
    rows = mask if column.offsets is None else any_in_list(mask, column.offsets)
    return rows if column.valid is None else rows & column.valid


def _compare_columns(op: BinaryOperator, left: Part, right: Part) -> Mask:
    if left.column.offsets is None and right.column.offsets is None:
        held = _compare_data(op, left, right)
        for valid in (left.column.valid, right.column.valid):
            held = held if valid is None else held & valid
        return held
    return _compare_lists(op, left, right)


def _compare_lists(op: BinaryOperator, left: Part, right: Part) -> Mask:
    """Compare every element of a row on the left with every one on the right."""
    counts = [_element_counts(part.column) for part in (left, right)]
    pairs = counts[0] * counts[1]
    rows = np.repeat(np.arange(len(pairs)), pairs)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(pairs)])
    nth = np.arange(offsets[-1]) - offsets[:-1][rows]
    at = (
        _first_elements(left.column)[rows] + nth // counts[1][rows],
        _first_elements(right.column)[rows] + nth % counts[1][rows],
    )
    elements = (
        Part(part.type.element, Column(part.column.data[where], None, part.column.dictionary))
        for part, where in zip((left, right), at, strict=True)
    )
    return any_in_list(_compare_data(op, *elements), offsets.astype(np.int32))


def _element_counts(column: Column) -> npt.NDArray[np.int64]:
    rows = len(column.data) if column.offsets is None else len(column.offsets) - 1
    counts = np.ones(rows, np.int64) if column.offsets is None else np.diff(column.offsets).astype(np.int64)
    return counts if column.valid is None else counts * column.valid


def _first_elements(column: Column) -> npt.NDArray[np.int64]:
    return np.arange(len(column.data)) if column.offsets is None else column.offsets[:-1].astype(np.int64)


def _compare_data(op: BinaryOperator, left: Part, right: Part) -> Mask:
    if left.column.dictionary is not None and right.column.dictionary is not None:
        numbers = _ranks(left.column, left.column.dictionary, right.column, right.column.dictionary)
    elif left.type.element is StaticType.FLOAT or right.type.element is StaticType.FLOAT:
        numbers = (left.column.data.astype(np.float64), right.column.data.astype(np.float64))
    else:
        numbers = (left.column.data, right.column.data)
    return np.asarray(_COMPARE[op](*numbers)).view(np.uint8)


def _ranks(
    left: Column, left_texts: pa.StringArray, right: Column, right_texts: pa.StringArray
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return texts of two dictionaries as numbers that compare as the texts do."""
    ordered = pc.unique(pa.concat_arrays([left_texts, right_texts])).sort()
    return _rank(left, left_texts, ordered), _rank(right, right_texts, ordered)


def _rank(column: Column, texts: pa.StringArray, ordered: pa.StringArray) -> npt.NDArray[Any]:
    ranks = pc.index_in(texts, ordered).to_numpy(zero_copy_only=False)
    codes: npt.NDArray[Any] = column.data
    codes = codes if column.valid is None else codes * column.valid
    return ranks[codes] if len(ranks) else np.zeros(len(codes), np.int64)
