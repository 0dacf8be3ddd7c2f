"""Where an expression cannot be computed: `!x` of what is no boolean, `-x` of what is no number.

A span fails a query only where the rest of the expression does not settle it: `{ name = "a" && !span.n }` fails at
spans named a alone, in whatever order the sides are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from storage.columns import TableName
from tempo_dask.errors import QueryFailed
from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.bound import (
    AllOf,
    AnyOf,
    Arithmetic,
    Boolean,
    Comparison,
    Fixed,
    Negated,
    Negation,
    Operand,
    Predicate,
    RowPredicate,
    SomeRow,
    Truth,
)
from tempo_dask.physical.evaluate import mask_of
from tempo_dask.physical.operands import scalars, values_in
from tempo_dask.physical.reader import UnitReader
from tempo_dask.physical.values import Part, Values
from traceql.types import StaticType

#: Rows at which a predicate cannot be computed, and why.
_Failure: TypeAlias = tuple[Mask, str]


def require_computable(predicate: Predicate, spans: Mask, reader: UnitReader) -> None:
    """Raise QueryFailed where the predicate cannot be computed for one of these spans."""
    if isinstance(predicate, Fixed) or not _may_fail(predicate):
        return
    failures = _failures(predicate, predicate.table, reader)
    reasons = {why for rows, why in failures if (reader.lift(rows, predicate.table, "spans") & spans).any()}
    if reasons:
        raise QueryFailed(min(reasons))


@lru_cache(maxsize=1024)
def _may_fail(part: Predicate | Operand) -> bool:
    match part:
        case Boolean(refusal=refusal) | Negation(refusal=refusal) if refusal:
            return True
        case AllOf(operands=operands) | AnyOf(operands=operands):
            return any(_may_fail(operand) for operand in operands)
        case Comparison(lhs=lhs, rhs=rhs) | Arithmetic(lhs=lhs, rhs=rhs):
            return _may_fail(lhs) or _may_fail(rhs)
        case Negated(operand=operand) | SomeRow(operand=operand) | Negation(operand=operand):
            return _may_fail(operand)
        case Truth(predicate=predicate):
            return _may_fail(predicate)
        case _:
            return False


def _failures(part: Predicate | Operand, table: TableName, reader: UnitReader) -> Iterator[_Failure]:
    """Yield the rows of `table` at which the part cannot be computed; only where it may fail."""
    if not _may_fail(part):
        return
    match part:
        case Boolean(operand=operand, refusal=refusal):
            values = values_in(operand, table, reader)
            yield from _of_types(values, refusal, lambda type_: type_ is StaticType.BOOL)
        case Negation(operand=operand, refusal=refusal):
            yield from _failures(operand, table, reader)
            values = scalars(values_in(operand, table, reader))
            yield from _of_types(values, refusal, lambda type_: type_.is_numeric)
        case Comparison(lhs=lhs, rhs=rhs) | Arithmetic(lhs=lhs, rhs=rhs):
            yield from _failures(lhs, table, reader)
            yield from _failures(rhs, table, reader)
        case AllOf(operands=operands) | AnyOf(operands=operands):
            yield from _undecided(operands, table, reader, decides=isinstance(part, AnyOf))
        case SomeRow(operand=operand):  # one row that holds settles it, whatever the others are
            for rows, why in _of_rows(operand, table, reader):
                yield rows & (_holds(part, table, reader) ^ np.uint8(1)), why
        case Negated(operand=operand) | Truth(predicate=operand):
            yield from _of_rows(operand, table, reader)


def _of_rows(predicate: Predicate, table: TableName, reader: UnitReader) -> Iterator[_Failure]:
    if not isinstance(predicate, Fixed):
        for rows, why in _failures(predicate, predicate.table, reader):
            yield reader.lift(rows, predicate.table, table), why


def _undecided(
    operands: tuple[Predicate, ...], table: TableName, reader: UnitReader, *, decides: bool
) -> Iterator[_Failure]:
    """Yield failures of operands at the rows where no other operand is what `decides` the whole."""
    rows_of = [p for p in operands if not isinstance(p, Fixed)]
    for failing in rows_of:
        open_rows = np.ones(reader.row_count(table), np.uint8)
        for other in rows_of:
            if other is not failing:
                open_rows &= _holds(other, table, reader) ^ np.uint8(decides)
        yield from ((rows & open_rows, why) for rows, why in _of_rows(failing, table, reader))


def _holds(predicate: RowPredicate, table: TableName, reader: UnitReader) -> Mask:
    return reader.lift(mask_of(predicate, reader), predicate.table, table)


def _of_types(values: Values, refusal: str, is_expected: Callable[[StaticType], bool]) -> Iterator[_Failure]:
    """Yield the rows whose value is of a type that is not expected."""
    for part in values.parts if refusal else ():
        if not is_expected(part.type):
            yield _present(part), f"{refusal}, but got {_type_text(part.type)}"


def _present(part: Part) -> Mask:
    column = part.column
    rows = len(column.data) if column.offsets is None else len(column.offsets) - 1
    return np.ones(rows, np.uint8) if column.valid is None else column.valid


def _type_text(type_: StaticType) -> str:
    element = "Boolean" if type_.element is StaticType.BOOL else type_.element.name.title()
    return f"Type{element}Array" if type_.is_array else f"Type{element}"
