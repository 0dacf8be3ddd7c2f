"""What the footer of a table's file says: its columns, and where their chunks lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.block.schema import element_count, leaves
from storage.columns import (
    ARROW_TYPES,
    NESTED_FIELDS,
    REST_FIELD,
    STRING,
    TRACE_FIELDS,
    TableName,
    is_attribute_column,
    split_column_name,
)
from storage.kernels.footer import CHILDREN, NAME_START, NAME_STOP, REPETITION, read_chunks, read_elements
from storage.pick import FIELDS

#: A file ends with the length of its footer and its magic.
FOOTER_END_BYTES = 8
_REQUIRED = 0

Elements = npt.NDArray[np.int64]


class Kind(Enum):
    """How the values of a Parquet column become an array."""

    CODED = 1  # strings, of which the array has a dictionary
    TEXT = 2
    BOOLEAN = 3
    FIXED = 4


@dataclass(frozen=True, slots=True)
class Leaf:
    """A Parquet column: its number in the file, the type of its values, and what its levels mean.

    A value is there where the definition level is `levels[-1]`. `levels` of a flat column are that alone; of a list
    those from which on the list, an entry of it, (a struct,) and a value are there. `width` is of fixed-width values.
    """

    number: int
    type: pa.DataType
    levels: tuple[int, ...]
    is_list: bool
    kind: Kind
    width: int = 0


def _leaf(number: int, type_: pa.DataType, levels: tuple[int, ...], *, is_list: bool) -> Leaf:
    if type_ == STRING:
        return Leaf(number, type_, levels, is_list, Kind.CODED)
    if type_ in {pa.string(), pa.binary()}:
        return Leaf(number, type_, levels, is_list, Kind.TEXT)
    if pa.types.is_boolean(type_):
        return Leaf(number, type_, levels, is_list, Kind.BOOLEAN)
    return Leaf(number, type_, levels, is_list, Kind.FIXED, type_.bit_width // 8)


class Footer:
    """The columns of a file that this software knows, by name in the file's order, and its column chunks.

    `chunks` are (row groups, columns, `storage.kernels.footer`'s columns).
    """

    def __init__(self, data: npt.NDArray[np.uint8], table: TableName) -> None:
        """Read a footer. Raises ValueError where it is not laid out as expected."""
        elements = read_elements(data)
        if not len(elements):
            msg = "the footer has no schema"
            raise ValueError(msg)
        self.leaves: dict[str, Sequence[Leaf]] = {}
        known = {field.name: field for field in _own_fields(table)}
        fields: list[pa.Field] = []
        columns = 0
        for name, of_field in _top(data, elements):
            field = known.get(name) or _attribute(name)
            if field is not None:
                self.leaves[name] = list(_leaves(field, of_field, columns))
                fields.append(field)
            columns += int((of_field[:, CHILDREN] == 0).sum())
        self.schema = pa.schema(fields)
        self.fields = {field.name: field for field in fields}
        chunks = read_chunks(data, columns)
        if not chunks.shape[1]:
            msg = "the footer's row groups cannot be read"
            raise ValueError(msg)
        self.chunks = chunks.reshape(-1, columns, chunks.shape[1])


def _own_fields(table: TableName) -> Iterator[pa.Field]:
    yield from TRACE_FIELDS if table == "traces" else FIELDS[table]
    yield from NESTED_FIELDS if table == "spans" else ()
    yield REST_FIELD


def _attribute(name: str) -> pa.Field | None:
    """Return the field of an attribute column; None for columns of a later version of the format."""
    type_ = ARROW_TYPES.get(split_column_name(name)[2]) if is_attribute_column(name) else None
    return None if type_ is None else pa.field(name, type_)


def _top(data: npt.NDArray[np.uint8], elements: Elements) -> Iterator[tuple[str, Elements]]:
    """Yield the fields of the schema: name and elements."""
    at = 1
    while at < len(elements):
        stop = at + 1
        waiting = int(elements[at, CHILDREN])
        while waiting and stop < len(elements):
            waiting += int(elements[stop, CHILDREN]) - 1
            stop += 1
        start_of_name, stop_of_name = elements[at, NAME_START], elements[at, NAME_STOP]
        yield data[start_of_name:stop_of_name].tobytes().decode(), elements[at:stop]
        at = stop


def _leaves(field: pa.Field, elements: Elements, first: int) -> Iterator[Leaf]:
    """Yield the Parquet columns of a field, numbered from `first`. Raises ValueError where it is of another type."""
    if len(elements) != element_count(field.type):
        msg = f"column {field.name} is not laid out as {field.type}"
        raise ValueError(msg)
    if not field.nullable and elements[0, REPETITION] != _REQUIRED:
        msg = f"column {field.name} may hold nulls"
        raise ValueError(msg)
    is_null = [int(repetition != _REQUIRED) for repetition in elements[:, REPETITION]]
    types = [type_ for _, type_ in leaves(field)]
    if not pa.types.is_list(field.type):
        yield _leaf(first, types[0], (is_null[0],), is_list=False)
        return
    outer = (is_null[0], is_null[0] + 1)
    element = outer[1] + is_null[2]
    if not pa.types.is_struct(field.type.value_type):
        yield _leaf(first, types[0], (*outer, element), is_list=True)
        return
    for at, type_ in enumerate(types):
        yield _leaf(first + at, type_, (*outer, element, element + is_null[3 + at]), is_list=True)
