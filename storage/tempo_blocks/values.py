"""Attributes as Tempo lays them out, taken apart by type: each a run of values, their rows and their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

from storage.arrays import list_offsets
from storage.columns import ARROW_TYPES, TypeName

Rows: TypeAlias = npt.NDArray[np.int64]
Kind: TypeAlias = TypeName | Literal["other"]
#: A type, which attributes are of it, and their values.
Taken: TypeAlias = tuple[Kind, Rows, pa.Array]

#: The list of an attribute's values by type, in vParquet4 and 5 (vParquet3 has optional values instead).
_FIELDS: tuple[tuple[TypeName, str], ...] = (
    ("str", "Value"),
    ("int", "ValueInt"),
    ("float", "ValueDouble"),
    ("bool", "ValueBool"),
)
_ARRAYS: Mapping[TypeName, TypeName] = {"str": "str[]", "int": "int[]", "float": "float[]", "bool": "bool[]"}
_WIRE_TYPES: Mapping[str, TypeName] = {
    "string_value": "str",
    "int_value": "int",
    "double_value": "float",
    "bool_value": "bool",
}
_EMPTY_ARRAY = AnyValue(array_value=ArrayValue()).SerializeToString()
_ENCODED_TYPES: Mapping[Kind, pa.DataType] = {
    **{name: ARROW_TYPES[name] for name in _ARRAYS.values()},
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "other": pa.binary(),
}
#: Dedicated columns count as sent behind all listed attributes.
_LAST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class TypedValues:
    """Attribute values of one type: value i is that of key i in row i of a table, the `places[i]`th attribute sent.

    `values` are strings, numbers, booleans or lists of these; of the type `other` OTLP `AnyValue`s in wire form.
    """

    type: Kind
    rows: Rows
    keys: pa.DictionaryArray
    places: Rows
    values: pa.Array


def listed_values(attributes: pa.ListArray) -> Iterator[TypedValues]:
    """Take a list of attributes per row apart."""
    entries = attributes.flatten()
    rows = pc.list_parent_indices(attributes).to_numpy()
    keys = entries.field("Key").dictionary_encode()
    names = {field.name for field in entries.type}
    taken = _typed_lists(entries) if "IsArray" in names else _optional_values(entries, names)
    for kind, at, values in taken:
        if len(at):
            yield TypedValues(kind, rows[at], keys.take(pa.array(at)), at, values)


def column_values(key: str, column: pa.Array, *, holds_arrays: bool = False) -> Iterator[TypedValues]:
    """Take apart the column of one attribute: values or nulls, or as in vParquet5 lists that are empty for none."""
    if not pa.types.is_list(column.type):
        at = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        taken: list[Taken] = [(_type_of(column.type), at, column.drop_null())]
    else:
        lengths = column.value_lengths().fill_null(0).to_numpy()
        single = np.flatnonzero((lengths == 1) & (not holds_arrays))
        several = np.flatnonzero((lengths > 1) | ((lengths == 1) & holds_arrays))
        taken = list(_of_lists(_type_of(column.type.value_type), column, single, several))
    for kind, at, values in taken:
        if len(at):
            keys = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(at), np.int32)), pa.array([key]))
            yield TypedValues(kind, at, keys, np.full(len(at), _LAST), values)


def _type_of(type_: pa.DataType) -> TypeName:
    return "int" if pa.types.is_integer(type_) else "str"


def _typed_lists(entries: pa.StructArray) -> Iterator[Taken]:
    """Take apart attributes that hold their values in a list by type."""
    is_array = entries.field("IsArray").to_numpy(zero_copy_only=False)
    texts = entries.field("ValueUnsupported")
    is_bare = ~texts.is_valid().to_numpy(zero_copy_only=False)
    yield from _encoded(np.flatnonzero(~is_bare), texts.drop_null())
    for name, field in _FIELDS:
        lists = entries.field(field)
        has_values = is_bare & (lists.value_lengths().to_numpy() > 0)
        yield from _of_lists(name, lists, np.flatnonzero(has_values & ~is_array), np.flatnonzero(has_values & is_array))
        is_bare = is_bare & ~has_values
    empty = np.flatnonzero(is_bare)
    yield "other", empty, pa.array([b"", _EMPTY_ARRAY]).take(pa.array(is_array[empty].astype(np.int32)))


def _of_lists(name: TypeName, lists: pa.ListArray, scalars: Rows, arrays: Rows) -> Iterator[Taken]:
    """Yield the first values of some lists, and other lists whole."""
    yield name, scalars, lists.values.take(pa.array(list_offsets(lists)[scalars]))
    whole = _ARRAYS[name]
    yield whole, arrays, lists.take(pa.array(arrays)).cast(ARROW_TYPES[whole])


def _optional_values(entries: pa.StructArray, names: set[str]) -> Iterator[Taken]:
    """Take apart vParquet3's attributes: of its optional columns at most one has a value."""
    if names == {"Key", "Value"}:  # an event's: an AnyValue in wire form
        yield from _encoded(np.arange(len(entries)), entries.field("Value"))
        return
    is_bare = np.ones(len(entries), np.bool_)
    for name, field in _FIELDS:
        values = entries.field(field)
        has_value = values.is_valid().to_numpy(zero_copy_only=False)
        yield name, np.flatnonzero(has_value), values.drop_null()
        is_bare &= ~has_value
    for field in ("ValueKVList", "ValueArray"):
        texts = entries.field(field).fill_null("")
        at = np.flatnonzero(is_bare & (pc.binary_length(texts).to_numpy() > 0))
        yield from _encoded(at, texts.take(pa.array(at)))
        is_bare[at] = False
    empty = np.flatnonzero(is_bare)
    yield "other", empty, pa.repeat(pa.scalar(b""), len(empty))


def _encoded(at: Rows, encoded: pa.Array) -> Iterator[Taken]:
    """Take apart values in JSON or in wire form; each that differs is read once."""
    distinct = encoded.dictionary_encode()
    codes = distinct.indices.to_numpy()
    read = [_read(value) for value in distinct.dictionary.to_pylist()]
    place = np.zeros(len(read), np.int64)
    for kind in sorted({kind for kind, _ in read}):
        of_kind = np.array([each == kind for each, _ in read], np.bool_)
        place[of_kind] = np.arange(of_kind.sum())
        values = pa.array([value for each, value in read if each == kind], _ENCODED_TYPES[kind])
        chosen = np.flatnonzero(of_kind[codes])
        yield kind, at[chosen], values.take(pa.array(place[codes[chosen]]))


def _read(encoded: str | bytes) -> tuple[Kind, Any]:
    """Return the type and the value of one encoded value; what is not understood is at least a text."""
    try:
        message = Parse(encoded, AnyValue()) if isinstance(encoded, str) else AnyValue.FromString(encoded)
    except (ParseError, DecodeError):
        return "str", encoded if isinstance(encoded, str) else encoded.decode(errors="replace")
    name = message.WhichOneof("value")
    if name is not None and name in _WIRE_TYPES:
        return _WIRE_TYPES[name], getattr(message, name)
    elements = message.array_value.values
    names = {element.WhichOneof("value") for element in elements}
    element_name = names.pop() if len(names) == 1 else None
    if element_name is not None and element_name in _WIRE_TYPES:
        return _ARRAYS[_WIRE_TYPES[element_name]], [getattr(element, element_name) for element in elements]
    return "other", message.SerializeToString()
