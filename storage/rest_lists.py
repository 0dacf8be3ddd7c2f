"""Lists that the list column `rest` holds in wire form, as Arrow lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from storage.columns import ARROW_TYPES, TypeName
from storage.kernels.lists import (
    BOOLEANS,
    FLOATS,
    INTEGERS,
    ODD,
    TEXTS,
    elements_of_lists,
    kinds_of_lists,
)

Rows: TypeAlias = npt.NDArray[np.int64]
#: Lists of one type, and the rows in which they stand.
Lists: TypeAlias = tuple[TypeName, pa.ListArray, Rows]

_KINDS: Mapping[int, TypeName] = {TEXTS: "str[]", BOOLEANS: "bool[]", INTEGERS: "int[]", FLOATS: "float[]"}
_FIELDS: Mapping[str, TypeName] = {
    "string_value": "str[]",
    "int_value": "int[]",
    "double_value": "float[]",
    "bool_value": "bool[]",
}


def lists_in(encoded: pa.BinaryArray) -> Iterator[Lists]:
    """Yield those values in wire form that are lists of one type, by type."""
    _, starts, text = encoded.buffers()
    if starts is None or not len(encoded):
        return
    offsets = np.frombuffer(starts, np.int32, len(encoded) + 1, encoded.offset * 4)
    data = np.frombuffer(text or b"", np.uint8)
    kinds, counts = np.zeros(len(encoded), np.uint8), np.zeros(len(encoded), np.int32)
    kinds_of_lists(data, offsets, kinds, counts)
    if (kinds == ODD).any():
        yield from _decoded(encoded)
        return
    for kind, name in _KINDS.items():
        rows = np.flatnonzero(kinds == kind)
        if len(rows):
            stops = np.cumsum(counts[rows], dtype=np.int64)
            firsts, ends = np.zeros(stops[-1], np.int64), np.zeros(stops[-1], np.int64)
            elements_of_lists(data, offsets, kinds, kind, firsts, ends)
            lists = pa.array(np.concatenate([np.zeros(1, np.int64), stops]).astype(np.int32))
            elements = _elements(kind, firsts, ends, data).cast(ARROW_TYPES[name].value_type)
            yield name, pa.ListArray.from_arrays(lists, elements), rows


def _elements(kind: int, firsts: Rows, stops: Rows, data: npt.NDArray[np.uint8]) -> pa.Array:
    if kind == INTEGERS:
        return pa.array(firsts)
    if kind == BOOLEANS:
        return pa.array(firsts != 0)
    if kind == FLOATS:
        return pa.array(firsts.view(np.float64))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(stops - firsts)])
    places = np.arange(offsets[-1]) + np.repeat(firsts - offsets[:-1], stops - firsts)
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data[places])]
    return pa.Array.from_buffers(pa.string(), len(firsts), buffers)


def _decoded(encoded: pa.BinaryArray) -> Iterator[Lists]:
    """Yield the same by a whole decoder, one value after another."""
    found: dict[TypeName, dict[int, list[object]]] = {}
    for row, value in enumerate(encoded.to_pylist()):
        if value is None:
            continue
        elements = AnyValue.FromString(value).array_value.values
        kinds = {element.WhichOneof("value") for element in elements}
        if len(kinds) == 1 and (name := _FIELDS.get(kinds.pop() or "")):
            found.setdefault(name, {})[row] = list(_values(elements))
    for name, lists in found.items():
        yield name, pa.array(list(lists.values()), ARROW_TYPES[name]), np.array(list(lists), np.int64)


def _values(elements: Iterable[AnyValue]) -> Iterable[object]:
    return (getattr(element, cast("str", element.WhichOneof("value"))) for element in elements)
