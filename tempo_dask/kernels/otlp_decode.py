"""Decoding a group of requests: room is made for what the check counted, then the walk fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.columns import EVENT_FIELDS, LINK_FIELDS, RESOURCE_FIELDS, SCOPE_FIELDS, SPAN_FIELDS, Scope, TableName
from tempo_dask.kernels.otlp_attributes import ATTRIBUTE_BYTES, KEY_BYTES, KEY_DICTIONARIES
from tempo_dask.kernels.otlp_buffers import Buffers
from tempo_dask.kernels.otlp_check import Group
from tempo_dask.kernels.otlp_intern import DICTIONARY_BYTES, SEEDS, STRING_BYTES, slots_for
from tempo_dask.kernels.otlp_layout import LAYOUT
from tempo_dask.kernels.otlp_schema import ATTRIBUTE, EVENT, LINK, RESOURCE, RESOURCE_SPANS, SCOPE, SCOPE_SPANS, SPAN
from tempo_dask.kernels.otlp_state import (
    ATTRIBUTE_ADDRESS,
    ATTRIBUTES,
    COLUMNS,
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
    STATE_SIZE,
    STRING_ADDRESS,
    STRINGS,
    TABLES,
    WORK,
    WORK_ADDRESS,
)
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

_BUFFERS = Buffers()


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk found: rows by table; own columns as bytes, in the order of their fields; what it noted.

    `strings` (n, 4), `attributes` (n, 3), `dictionaries` (n, 3) and `keys` (n, 12) are laid out as `otlp_intern` and
    `otlp_attributes` say. They hold addresses in `group`, and live until the thread decodes its next group.
    """

    group: Group
    rows: tuple[int, ...]
    own: tuple[npt.NDArray[np.uint8], ...]
    strings: npt.NDArray[np.int64]
    dictionaries: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    attributes: npt.NDArray[np.int64]


def walk_group(group: Group, counts: npt.NDArray[np.int64]) -> Walked:
    """Walk requests that were checked, with `counts` of the messages in them by kind."""
    room = _room(group, counts)
    state = np.zeros(STATE_SIZE, np.int64)
    state[ROOM : ROOM + room.size] = room
    state[SEED], state[SEED_2] = SEEDS
    state[LAYOUT_ADDRESS] = LAYOUT.ctypes.data
    own = tuple(
        np.zeros(room[table] * _width(field), np.uint8)
        for table, kind in enumerate(TABLE_KINDS)
        for field in kind.fields
    )
    state[COLUMNS : COLUMNS + len(own)] = [column.ctypes.data for column in own]
    buffers = {
        STRING_ADDRESS: _BUFFERS.take("strings", (room[STRINGS] + 1) * STRING_BYTES // 8),
        SLOT_ADDRESS: _BUFFERS.take("slots", slots_for(int(room[STRINGS]))),
        DICTIONARY_ADDRESS: _BUFFERS.take("dictionaries", (KEY_DICTIONARIES + room[KEYS]) * DICTIONARY_BYTES // 8),
        KEY_ADDRESS: _BUFFERS.take("keys", room[KEYS] * KEY_BYTES // 8),
        ATTRIBUTE_ADDRESS: _BUFFERS.take("attributes", room[ATTRIBUTES] * ATTRIBUTE_BYTES // 8),
        WORK_ADDRESS: _BUFFERS.take("work", room[WORK] * PIECE_BYTES // 8),
    }
    for place, buffer in buffers.items():
        state[place] = buffer.ctypes.data
    if not walk(state, group.data, group.bounds):
        msg = "requests to decode must have been checked"
        raise ValueError(msg)
    return Walked(
        group=group,
        rows=tuple(int(rows) for rows in state[:TABLES]),
        own=own,
        strings=_records(buffers[STRING_ADDRESS], state[STRINGS], STRING_BYTES),
        dictionaries=_records(buffers[DICTIONARY_ADDRESS], KEY_DICTIONARIES + state[KEYS], DICTIONARY_BYTES),
        keys=_records(buffers[KEY_ADDRESS], state[KEYS], KEY_BYTES),
        attributes=_records(buffers[ATTRIBUTE_ADDRESS], state[ATTRIBUTES], ATTRIBUTE_BYTES),
    )


def _room(group: Group, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many rows, pieces of work, attributes, keys and strings there can be at most."""
    room = np.zeros(9, np.int64)
    room[SPANS], room[EVENTS], room[LINKS] = counts[SPAN], counts[EVENT], counts[LINK]
    room[RESOURCES], room[SCOPES] = counts[RESOURCE_SPANS], counts[SCOPE_SPANS]
    room[WORK] = group.bounds.size - 1 + counts[[RESOURCE_SPANS, SCOPE_SPANS, RESOURCE, SCOPE]].sum()
    room[ATTRIBUTES] = room[KEYS] = counts[ATTRIBUTE]
    own = 3 * counts[SPAN] + counts[EVENT] + counts[LINK] + 2 * counts[RESOURCE_SPANS] + 2 * counts[SCOPE_SPANS]
    room[STRINGS] = own + 2 * counts[SCOPE] + 2 * counts[SCOPE_SPANS] + 2 * counts[ATTRIBUTE]
    return room


def _width(field: pa.Field) -> int:
    dtype = field.type.index_type if pa.types.is_dictionary(field.type) else field.type
    return int(dtype.bit_width) // 8


def _records(buffer: npt.NDArray[np.int64], count: int, size: int) -> npt.NDArray[np.int64]:
    words = int(size) // 8
    return buffer[: int(count) * words].reshape(int(count), words)
