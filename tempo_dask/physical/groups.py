"""Groups of spans by the values of attributes: a small number per span, and what each number stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import frozen
from storage.chunk import Chunk
from storage.remembered import Remembered
from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.series import take_codes
from tempo_dask.physical.bound import Absent, FirstOf, IntrinsicColumn, Operand
from tempo_dask.physical.operands import operand_table, scalars, values_in, values_of
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
_DENSE_PAIRS = 1 << 20


_Numbers: TypeAlias = tuple[Codes, tuple[LabelSet, ...]]
#: Numbers and labels of the rows of blocks' small tables, which all of their units share: by tenant, id and operand.
_NUMBERED: Remembered[tuple[str, str, Operand, bool], _Numbers] = Remembered(1_000_000, lambda found: 1 + len(found[0]))


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


def group_by(operands: Sequence[Operand], reader: UnitReader, *, arrays_alike: bool = False) -> Groups:
    """Return the groups of the spans of a unit by the values of all operands.

    `arrays_alike`: all arrays are one value, which is shown as nil but is not the lack of a value.
    """
    if not operands:
        return Groups.of(np.zeros(reader.row_count("spans"), np.int32), ((),))
    return reduce(product, (_groups_of(operand, reader, arrays_alike=arrays_alike) for operand in operands))


def product(left: Groups, right: Groups) -> Groups:
    """Group by both; only combinations that occur are numbered."""
    if left.labels == ((),):
        return right
    pairs = left.codes.astype(np.int64) * len(right.labels) + right.codes
    seen, codes = numbered(pairs, len(left.labels) * len(right.labels))
    labels = (left.labels[pair // len(right.labels)] + right.labels[pair % len(right.labels)] for pair in seen.tolist())
    return Groups.of(codes, tuple(labels))


def numbered(numbers: npt.NDArray[np.int64], count: int) -> tuple[npt.NDArray[np.int64], Codes]:
    """Return which of `count` numbers occur, and the place of each row's among them."""
    if count > _DENSE_PAIRS:
        seen, codes = np.unique(numbers, return_inverse=True)
        return seen, codes.astype(np.int32)
    occurs = np.zeros(count, np.bool_)
    occurs[numbers] = True
    places = np.cumsum(occurs, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(occurs), places[numbers]


def _groups_of(operand: Operand, reader: UnitReader, *, arrays_alike: bool) -> Groups:
    if isinstance(operand, Absent):
        return Groups.of(np.zeros(reader.row_count("spans"), np.int32), ((None,),))
    groups = _in_small_table(operand, reader, arrays_alike=arrays_alike) or _in_dictionary(operand, reader)
    groups = groups or _of_spans(operand, reader, arrays_alike=arrays_alike)
    if isinstance(operand, IntrinsicColumn) and operand.kind in WITHOUT_ROWS:
        without: LabelSet = ((StaticType.STRING, WITHOUT_ROWS[operand.kind]),)
        return replace(groups, labels=(without, *groups.labels[1:]))
    return groups


def _in_small_table(operand: Operand, reader: UnitReader, *, arrays_alike: bool) -> Groups | None:
    """Number the rows of a table that spans refer to: few are numbered, and all spans take their number from there."""
    table = operand_table(operand)
    if table not in ("resources", "scopes", "traces"):
        return None
    codes, labels = (
        _numbered_rows(operand, reader, arrays_alike=arrays_alike)
        if table == "traces" or isinstance(reader.source, Chunk)
        else _NUMBERED.get_or_make(
            (reader.source.meta.tenant, reader.source.meta.id, operand, arrays_alike),
            lambda: _numbered_rows(operand, reader, arrays_alike=arrays_alike),
        )
    )
    return Groups(reader.references(table), codes, labels)


def _numbered_rows(operand: Operand, reader: UnitReader, *, arrays_alike: bool) -> _Numbers:
    codes, labels = _unified(*_number(values_of(operand, reader), arrays_alike=arrays_alike))
    return frozen(codes), tuple((label,) for label in labels)


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


def _of_spans(operand: Operand, reader: UnitReader, *, arrays_alike: bool) -> Groups:
    codes, labels = _unified(*_number(values_in(operand, "spans", reader), arrays_alike=arrays_alike))
    return Groups.of(codes, tuple((label,) for label in labels))


def _number(values: Values, *, arrays_alike: bool) -> tuple[Codes, list[Label]]:
    """Number the values of rows, from 1; 0 is no value."""
    codes = np.zeros(values.rows, np.int32)
    labels: list[Label] = [None]
    for part in values.parts:
        numbers, texts = _number_arrays(part) if arrays_alike and part.type.is_array else _number_part(part)
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
    distinct, codes = distinct_numbers(data)
    sample = Part(part.type, type(column)(distinct))
    return codes, [(part.type, value) for value in shown_elements(sample)]


def distinct_numbers(data: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.generic], Codes]:
    """Return the distinct values and the place of each row's among them."""
    if data.dtype.kind == "f" or not len(data):
        return _encoded(np.add(data, 0.0))  # which makes -0.0 the zero that it equals
    numbers = data.astype(np.int64)
    low, high = int(numbers.min()), int(numbers.max())
    if high - low >= _DENSE:
        return _encoded(numbers)
    seen, codes = numbered(numbers - low, high - low + 1)
    return seen + low, codes


def _encoded(data: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.generic], Codes]:
    """Number values by hashing, in the order in which they come."""
    encoded = pa.array(data).dictionary_encode()
    return encoded.dictionary.to_numpy(), encoded.indices.to_numpy()


def _number_lists(part: Part) -> tuple[Codes, list[Label]]:
    """Number arrays by their elements; an array of one element counts as that element."""
    numbers: dict[Label, int] = {}
    shown = shown_values(replace(part, column=replace(part.column, valid=None)))
    labels: list[Label] = [
        (part.type if isinstance(v, tuple) else part.type.element, "" if v is None else v) for v in shown
    ]
    codes = np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int32)
    return codes, list(numbers)


def _number_arrays(part: Part) -> tuple[Codes, list[Label]]:
    """Number arrays of one element by that element, and all others alike."""
    (single,) = scalars(Values(0, (part,))).parts
    codes, labels = _number_part(single)
    is_one = single.column.valid
    return np.where(is_one, codes, len(labels)).astype(np.int32) if is_one is not None else codes, [
        *labels,
        ARRAY_LABEL,
    ]


def relabelled(groups: Groups, labels: tuple[LabelSet, ...]) -> Groups:
    """Return the groups under other labels; those whose labels become equal become one group."""
    numbers: dict[LabelSet, int] = {}
    renumbered = np.array([numbers.setdefault(found, len(numbers)) for found in labels], np.int32)
    return Groups(groups.rows, renumbered[groups.numbers], tuple(numbers))
