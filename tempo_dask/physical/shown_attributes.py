"""Attributes of result spans: the values that pass some condition of the query on them.

A value that the query threw away is not shown: `{ span.tags != "x" }` shows of the tags x and y only y.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from storage.columns import TableName
from tempo_dask.kernels.predicates import Mask
from tempo_dask.physical.bound import AttributeColumns, Constant, IntrinsicColumn
from tempo_dask.physical.compare import satisfying_elements
from tempo_dask.physical.operands import values_at
from tempo_dask.physical.reader import Rows
from tempo_dask.physical.shown_values import WITHOUT_ROWS, Shown, is_shown_as_nil, shown_values
from tempo_dask.physical.spansets import UnitScan
from tempo_dask.physical.values import Part, Values
from tempo_dask.plan.nodes import ShownAttribute, ShownIf
from traceql.ast import AttributeReference, Intrinsic
from traceql.operators import BinaryOperator
from traceql.types import StaticType

Entry: TypeAlias = tuple[int, Shown]
_Found: TypeAlias = dict[int, Shown]

_JOINED: tuple[TableName, ...] = ("events", "links")


def bare_key(attribute: AttributeReference) -> str:
    """Return the key under which a search shows an attribute: its name without the scope."""
    return attribute.kind.value if isinstance(attribute, Intrinsic) else attribute.name


def shown_attribute(shown: ShownAttribute, rows: Rows, scan: UnitScan) -> list[Entry]:
    """Return (place in `rows`, value) for each of these spans that shows a value of the attribute."""
    source = scan.binder.operand(shown.attribute)
    default = _default(shown)
    found: _Found = {}
    missing = np.ones(len(rows), np.bool_)
    if isinstance(source, AttributeColumns | IntrinsicColumn):
        found, present = _shown_of(source, shown.conditions, rows, scan)
        missing[present] = False
    if default is not None:
        found |= dict.fromkeys(np.flatnonzero(missing).tolist(), default)
    return list(found.items())


def _shown_of(
    source: AttributeColumns | IntrinsicColumn, conditions: Sequence[ShownIf], rows: Rows, scan: UnitScan
) -> tuple[_Found, Rows]:
    """Return the values shown, of several events or links the last, and the places that have a value."""
    at, places = _rows_of(source.table, rows, scan)
    values = values_at(source, at, scan.reader)
    last: _Found = {}
    for place, of_row in zip(places.tolist(), zip(*_shown_by_part(values, conditions), strict=True), strict=False):
        for value in of_row:
            if value is not None:
                last[place] = value
    return last, places[_existing(source, values, at, scan).view(np.bool_)]


def _existing(source: AttributeColumns | IntrinsicColumn, values: Values, at: Rows, scan: UnitScan) -> Mask:
    """Return the rows that have a value, be it one that no query sees."""
    if isinstance(source, IntrinsicColumn) or source.rest_key is None:
        return values.present()
    return values.present() | scan.reader.has_rest_key(source.table, source.rest_key)[at]


def _shown_by_part(values: Values, conditions: Sequence[ShownIf]) -> list[list[Shown | None]]:
    """Return for each type what each row shows; at most one type shows anything in a row."""
    return [shown_values(part, _kept_elements(part, conditions)) for part in values.parts]


def _rows_of(table: TableName, rows: Rows, scan: UnitScan) -> tuple[Rows, Rows]:
    if table in _JOINED:
        return scan.reader.rows_of(table, rows)
    return scan.reader.rows_at(table, rows), np.arange(len(rows))


def _kept_elements(part: Part, conditions: Sequence[ShownIf]) -> Mask | None:
    """Return the elements that pass some condition, None where all do."""
    kept = np.zeros(len(part.column.data), np.uint8)
    for condition in conditions:
        if condition.op is None or condition.value is None:
            return None
        if condition.value.type is not StaticType.NIL:
            constant = Constant(condition.value.type, condition.value.value)
            kept |= satisfying_elements(condition.op, part, constant)
        elif condition.op is BinaryOperator.NOT_EQUAL:
            return None
    return kept


def _default(shown: ShownAttribute) -> Shown | None:
    """Return what a span without the attribute shows, None for nothing."""
    if any(_is_missing_test(condition) for condition in shown.conditions):
        return "nil"
    if all(condition.op is not None for condition in shown.conditions):
        return None
    if isinstance(shown.attribute, Intrinsic):
        return WITHOUT_ROWS.get(shown.attribute.kind)
    return "nil" if is_shown_as_nil(shown.attribute) else None


def _is_missing_test(condition: ShownIf) -> bool:
    is_nil = condition.value is not None and condition.value.type is StaticType.NIL
    return is_nil and condition.op is BinaryOperator.EQUAL
