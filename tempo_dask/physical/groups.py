"""Groups of spans by the values of attributes: a small number per span, and what each number stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import take_codes
from tempo_dask.physical.bound import Absent, FirstOf, IntrinsicColumn, Operand
from tempo_dask.physical.operands import operand_table, values_in, values_of
from tempo_dask.physical.reader import UnitReader
from tempo_dask.physical.shown_values import WITHOUT_ROWS, Shown, shown_elements, shown_values
from tempo_dask.physical.values import Part, Values
from traceql.types import StaticType

#: A value and its type, since 1, 1.0 and true are different groups; None where there is no value.
Label: TypeAlias = tuple[StaticType, Shown] | None
LabelSet: TypeAlias = tuple[Label, ...]
Codes = npt.NDArray[np.int32]

#: What stands for every array where arrays are not told apart.
ARRAY_LABEL: Label = (StaticType.STRING_ARRAY, "nil")
#: Integers that span no more numbers than this are numbered without sorting.
_DENSE = 1 << 16


@dataclass(frozen=True, slots=True)
class Groups:
    """The group of each span is `numbers[row]` of its row; `labels[group]` are its values, one per attribute.

    The rows may be those of a small table (uint32), the codes of a dictionary (int32) or the groups themselves.
    """

    rows: npt.NDArray[Any]
    numbers: Codes
    labels: tuple[LabelSet, ...]

    @property
    def codes(self) -> Codes:
        """The group of each span."""
        return take_codes(self.rows, self.numbers)

    @classmethod
    def of(cls, codes: Codes, labels: tuple[LabelSet, ...]) -> Groups:
        """Return groups that are known for each span."""
        return cls(codes, np.arange(len(labels), dtype=np.int32), labels)


def group_by(operands: Sequence[Operand], reader: UnitReader) -> Groups:
    """Return the groups of the spans of a unit by the values of all operands."""
    groups = Groups.of(np.zeros(reader.row_count("spans"), np.int32), ((),))
    for operand in operands:
        groups = product(groups, _groups_of(operand, reader))
    return groups


def product(left: Groups, right: Groups) -> Groups:
    """Group by both; only combinations that occur are numbered."""
    if left.labels == ((),):
        return right
    pairs = left.codes.astype(np.int64) * len(right.labels) + right.codes
    seen, codes = np.unique(pairs, return_inverse=True)
    labels = (left.labels[pair // len(right.labels)] + right.labels[pair % len(right.labels)] for pair in seen.tolist())
    return Groups.of(codes.astype(np.int32), tuple(labels))


def _groups_of(operand: Operand, reader: UnitReader) -> Groups:
    if isinstance(operand, Absent):
        return Groups.of(np.zeros(reader.row_count("spans"), np.int32), ((None,),))
    groups = _in_small_table(operand, reader) or _in_dictionary(operand, reader) or _of_spans(operand, reader)
    if isinstance(operand, IntrinsicColumn) and operand.kind in WITHOUT_ROWS:
        without: LabelSet = ((StaticType.STRING, WITHOUT_ROWS[operand.kind]),)
        return replace(groups, labels=(without, *groups.labels[1:]))
    return groups


def _in_small_table(operand: Operand, reader: UnitReader) -> Groups | None:
    """Number the rows of a table that spans refer to: few are numbered, and all spans take their number from there."""
    table = operand_table(operand)
    if table not in ("resources", "scopes", "traces"):
        return None
    codes, labels = _unified(*_number(values_of(operand, reader)))
    return Groups(reader.references(table), codes, tuple((label,) for label in labels))


def _in_dictionary(operand: Operand, reader: UnitReader) -> Groups | None:
    """Take the codes of a dictionary as rows, where every span has a text."""
    if operand_table(operand) != "spans" or isinstance(operand, FirstOf):
        return None
    parts = values_of(operand, reader).parts
    if len(parts) != 1 or parts[0].type is not StaticType.STRING or parts[0].column.valid is not None:
        return None
    texts = () if parts[0].column.dictionary is None else parts[0].column.dictionary.to_pylist()
    labels = (None, *((StaticType.STRING, text) for text in texts))
    codes = np.arange(1, max(len(labels), 2), dtype=np.int32)
    return Groups(parts[0].column.data, codes, tuple((label,) for label in labels))


def _of_spans(operand: Operand, reader: UnitReader) -> Groups:
    codes, labels = _unified(*_number(values_in(operand, "spans", reader)))
    return Groups.of(codes, tuple((label,) for label in labels))


def _number(values: Values) -> tuple[Codes, list[Label]]:
    """Number the values of rows, from 1; 0 is no value."""
    codes = np.zeros(values.rows, np.int32)
    labels: list[Label] = [None]
    for part in values.parts:
        numbers, texts = _number_part(part)
        valid: Mask | int = 1 if part.column.valid is None else part.column.valid
        codes += (numbers + np.int32(len(labels))) * valid
        labels += texts
    return codes, labels


def _unified(codes: Codes, labels: list[Label]) -> tuple[Codes, list[Label]]:
    """Give equal labels (of a span's key and its resource's) one number."""
    numbers: dict[Label, int] = {}
    renumbered = np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int32)
    return (codes, labels) if len(numbers) == len(labels) else (renumbered[codes], list(numbers))


def _number_part(part: Part) -> tuple[Codes, list[Label]]:
    """Number the values of one type, from 0; nulls have any of these numbers."""
    column = part.column
    if part.type.is_array:
        return _number_lists(part)
    if column.dictionary is not None:
        last = max(len(column.dictionary) - 1, 0)
        texts: list[Label] = [(part.type, str(text)) for text in column.dictionary.to_pylist()]
        return np.clip(column.data, 0, last).astype(np.int32), texts
    data = column.data if column.valid is None else np.where(column.valid, column.data, column.data[:1])
    distinct, codes = _distinct(data)
    sample = Part(part.type, type(column)(distinct))
    return codes, [(part.type, value) for value in shown_elements(sample)]


def _distinct(data: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.generic], Codes]:
    """Return the distinct values and the place of each row's among them."""
    if data.dtype.kind == "f" or not len(data):
        distinct, codes = np.unique(data, return_inverse=True)
        return distinct, codes.astype(np.int32)
    numbers = data.astype(np.int64)
    low, high = int(numbers.min()), int(numbers.max())
    if high - low >= _DENSE:
        wide, codes = np.unique(numbers, return_inverse=True)
        return wide, codes.astype(np.int32)
    return np.arange(low, high + 1), (numbers - low).astype(np.int32)


def _number_lists(part: Part) -> tuple[Codes, list[Label]]:
    """Number arrays by their elements; an array of one element counts as that element."""
    numbers: dict[Label, int] = {}
    shown = shown_values(replace(part, column=replace(part.column, valid=None)))
    labels: list[Label] = [
        (part.type if isinstance(v, tuple) else part.type.element, "" if v is None else v) for v in shown
    ]
    codes = np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int32)
    return codes, list(numbers)


def without_arrays(groups: Groups) -> Groups:
    """Return the groups with all arrays as one value, which is shown as nil but is not the lack of a value."""
    if not any(_is_array(label) for labels in groups.labels for label in labels):
        return groups
    merged = (tuple(ARRAY_LABEL if _is_array(label) else label for label in labels) for labels in groups.labels)
    return relabelled(groups, tuple(merged))


def relabelled(groups: Groups, labels: tuple[LabelSet, ...]) -> Groups:
    """Return the groups under other labels; those whose labels become equal become one group."""
    numbers: dict[LabelSet, int] = {}
    renumbered = np.array([numbers.setdefault(found, len(numbers)) for found in labels], np.int32)
    return Groups(groups.rows, renumbered[groups.numbers], tuple(numbers))


def _is_array(label: Label) -> bool:
    return label is not None and label[0].is_array
