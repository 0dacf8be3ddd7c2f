"""Decoding a group of requests: room is made for what the check counted, then the walk fills it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types

from storage.columns import EVENT_FIELDS, LINK_FIELDS, RESOURCE_FIELDS, SCOPE_FIELDS, SPAN_FIELDS, Scope, TableName
from tempo_dask.kernels.otlp_attributes import ATTRIBUTE_BYTES, KEY_BYTES, KEY_DICTIONARIES
from tempo_dask.kernels.otlp_buffers import Buffers
from tempo_dask.kernels.otlp_check import Group
from tempo_dask.kernels.otlp_intern import DICTIONARY_BYTES, SEEDS, STRING_BYTES, slots_for
from tempo_dask.kernels.otlp_layout import FIELDS_END, LAYOUT
from tempo_dask.kernels.otlp_schema import ATTRIBUTE, EVENT, LINK, RESOURCE, RESOURCE_SPANS, SCOPE, SCOPE_SPANS, SPAN
from tempo_dask.kernels.otlp_state import (
    ATTRIBUTE_ADDRESS,
    ATTRIBUTES,
    COLUMNS,
    COUNTS,
    DICTIONARY_ADDRESS,
    EVENTS,
    KEY_ADDRESS,
    KEYS,
    LAYOUT_ADDRESS,
    LINKS,
    RESOURCES,
    ROOM,
    SCOPES,
    SEED,
    SEED_2,
    SLOT_ADDRESS,
    SPANS,
    STRING_ADDRESS,
    STRINGS,
    TABLES,
    WORK,
    WORK_ADDRESS,
)
from tempo_dask.kernels.otlp_values import COLUMN_TYPES
from tempo_dask.kernels.otlp_walk import walk
from tempo_dask.kernels.otlp_work import PIECE_BYTES


@dataclass(frozen=True, slots=True)
class TableKind:
    """One of the tables: its name, the scope of its attributes, its own columns."""

    name: TableName
    scope: Scope
    fields: tuple[pa.Field, ...]


#: In the order in which the walk numbers tables.
TABLE_KINDS: Final = (
    TableKind("spans", "span", SPAN_FIELDS),
    TableKind("resources", "resource", RESOURCE_FIELDS),
    TableKind("scopes", "instrumentation", SCOPE_FIELDS),
    TableKind("events", "event", EVENT_FIELDS),
    TableKind("links", "link", LINK_FIELDS),
)

#: What kernels take records as: (records, words of each).
RECORDS: Final = types.Array(types.int64, 2, "C")

_BUFFERS = Buffers()
#: Own columns begin at multiples of this many bytes.
_ALIGNMENT: Final = 64


def _width(field: pa.Field) -> int:
    """Return how many bytes a value of an own column takes."""
    dtype = field.type.index_type if pa.types.is_dictionary(field.type) else field.type
    return int(dtype.bit_width) // 8


_WIDTHS: Final = tuple(tuple(map(_width, kind.fields)) for kind in TABLE_KINDS)


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk found: rows by table; own columns, in the order of their fields; what it noted.

    `strings` (n, 4), `attributes` (n, 3), `dictionaries` (n, 3) and `keys` (n, 12) are laid out as `otlp_intern` and
    `otlp_attributes` say. They hold addresses in `group`, and live until the thread decodes its next group.
    """

    group: Group
    rows: tuple[int, ...]
    own: tuple[pa.Buffer, ...]
    strings: npt.NDArray[np.int64]
    dictionaries: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    attributes: npt.NDArray[np.int64]

    @property
    def key_tables(self) -> npt.NDArray[np.int64]:
        """The table of each key."""
        return self.keys[:, 1]

    @property
    def type_counts(self) -> npt.NDArray[np.int64]:
        """How many values a column for each key (rows) and type would have."""
        return self.keys[:, -COLUMN_TYPES:]

    def key_slices(self, keys: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return where keys lie in the group's data, and their sizes."""
        strings = self.strings[(self.keys[keys, 0] - self.strings.ctypes.data) // STRING_BYTES]
        return np.where(strings[:, 1] > 0, strings[:, 0] - self.group.data.ctypes.data, 0), strings[:, 1]


def walk_group(group: Group, counts: npt.NDArray[np.int64]) -> Walked:
    """Walk requests that were checked, with `counts` of the messages in them by kind."""
    room = _room(group, counts)
    buffers = {
        STRING_ADDRESS: _BUFFERS.take("strings", (room[STRINGS] + 1) * STRING_BYTES // 8),
        SLOT_ADDRESS: _BUFFERS.take("slots", slots_for(int(room[STRINGS]))),
        DICTIONARY_ADDRESS: _BUFFERS.take("dictionaries", (KEY_DICTIONARIES + room[KEYS]) * DICTIONARY_BYTES // 8),
        KEY_ADDRESS: _BUFFERS.take("keys", room[KEYS] * KEY_BYTES // 8),
        ATTRIBUTE_ADDRESS: _BUFFERS.take("attributes", room[ATTRIBUTES] * ATTRIBUTE_BYTES // 8),
        WORK_ADDRESS: _BUFFERS.take("work", room[WORK] * PIECE_BYTES // 8),
    }
    sizes = [int(room[table]) * width for table, widths in enumerate(_WIDTHS) for width in widths]
    starts = [0, *itertools.accumulate(-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes)]
    own = np.zeros(starts[-1], np.uint8)
    state = np.zeros(FIELDS_END, np.int64)
    state[ROOM : ROOM + COUNTS] = room
    state[SEED], state[SEED_2] = SEEDS
    state[LAYOUT_ADDRESS] = LAYOUT.ctypes.data
    state[COLUMNS : COLUMNS + len(sizes)] = np.array(starts[:-1]) + own.ctypes.data
    for place, buffer in buffers.items():
        state[place] = buffer.ctypes.data
    if not walk(state, group.data, group.bounds):
        msg = "requests to decode must have been checked"
        raise ValueError(msg)
    whole = pa.py_buffer(own)
    return Walked(
        group=group,
        rows=tuple(state[:TABLES].tolist()),
        own=tuple(whole.slice(start, size) for start, size in zip(starts, sizes, strict=False)),
        strings=_records(buffers[STRING_ADDRESS], state[STRINGS], STRING_BYTES),
        dictionaries=_records(buffers[DICTIONARY_ADDRESS], KEY_DICTIONARIES + state[KEYS], DICTIONARY_BYTES),
        keys=_records(buffers[KEY_ADDRESS], state[KEYS], KEY_BYTES),
        attributes=_records(buffers[ATTRIBUTE_ADDRESS], state[ATTRIBUTES], ATTRIBUTE_BYTES),
    )


def _room(group: Group, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many rows, pieces of work, attributes, keys and strings there can be at most."""
    room = np.zeros(COUNTS, np.int64)
    room[SPANS], room[EVENTS], room[LINKS] = counts[SPAN], counts[EVENT], counts[LINK]
    room[RESOURCES], room[SCOPES] = counts[RESOURCE_SPANS], counts[SCOPE_SPANS]
    room[WORK] = group.bounds.size - 1 + counts[[RESOURCE_SPANS, SCOPE_SPANS, RESOURCE, SCOPE]].sum()
    room[ATTRIBUTES] = room[KEYS] = counts[ATTRIBUTE]
    own = 3 * counts[SPAN] + counts[EVENT] + counts[LINK] + 2 * counts[RESOURCE_SPANS] + 2 * counts[SCOPE_SPANS]
    room[STRINGS] = own + 2 * counts[SCOPE] + 2 * counts[SCOPE_SPANS] + 2 * counts[ATTRIBUTE]
    return room


def _records(buffer: npt.NDArray[np.int64], count: int, size: int) -> npt.NDArray[np.int64]:
    words = int(size) // 8
    return buffer[: int(count) * words].reshape(int(count), words)
