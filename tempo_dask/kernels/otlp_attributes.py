"""Staging attributes: what each says, until all are known and columns can be chosen."""

from __future__ import annotations

import numpy as np

from tempo_dask.kernels.otlp_intern import (
    UNNUMBERED,
    find_or_add,
    intern,
    number_of,
    open_dictionary,
    set_number,
)
from tempo_dask.kernels.otlp_schema import KEY, VALUE
from tempo_dask.kernels.otlp_state import ATTRIBUTE_ADDRESS, ATTRIBUTES, KEY_ADDRESS, KEYS, get, next_number
from tempo_dask.kernels.otlp_values import (
    BOOL,
    COLUMN_TYPES,
    FLOAT,
    INT,
    OTHER,
    STR,
    find_member,
    place_of,
    skip,
    type_of,
)
from tempo_dask.kernels.otlp_wire import (
    LOW_32,
    called,
    inlined,
    load_64,
    read_u32,
    stay_apart,
    store_64,
    varint,
    varint_end,
)

#: The dictionary of the strings of a key is this one plus the number of the key; own columns have those below.
KEY_DICTIONARIES = np.int64(9)

# An attribute: number of the key (high half) and row of its owner (low half); a value (of strings the address in the
# table of strings; of what is not plain where the KeyValue lies); the type, a bit where the key repeats on its owner,
# and the size of the KeyValue (0: no value).
ATTRIBUTE_BYTES = np.int64(24)
_OWNER, _VALUE, _TYPE = np.arange(0, 24, 8)
REPEATED = np.int64(1 << 4)
SIZE_SHIFT = np.int64(5)

# A key: its string, its table, the owner that had it last, how many values of each type a column would hold.
KEY_BYTES = 24 + 8 * COLUMN_TYPES
_STRING, _TABLE, _LAST_OWNER, _TYPE_COUNTS = np.arange(0, 32, 8)


@inlined
def _open_key(state: int, string: int, table: int) -> int:
    """Number a new key; return its record, 0 where there is no room."""
    number = next_number(state, KEYS)
    if number < 0:
        return 0
    set_number(string, number)
    open_dictionary(state, KEY_DICTIONARIES + number)
    key = get(state, KEY_ADDRESS) + KEY_BYTES * number
    store_64(key + _STRING, string)
    store_64(key + _TABLE, table)
    store_64(key + _LAST_OWNER, -1)
    for value_type in range(COLUMN_TYPES):
        store_64(key + _TYPE_COUNTS + 8 * value_type, 0)
    return key


@inlined
def _payload(state: int, number: int, value_type: int, place: int, end: int, whole: int) -> int:
    if value_type == STR:
        head = read_u32(place, end)
        return intern(state, KEY_DICTIONARIES + number, place + (head >> 32), head & LOW_32)
    if value_type == INT:
        return varint(place, varint_end(place, end))
    if value_type == FLOAT:
        return load_64(place)
    if value_type == BOOL:
        return 1 if varint(place, varint_end(place, end)) != 0 else 0
    return whole


@called
def stage_attribute(state: int, table: int, row: int, at: int, end: int) -> bool:
    """Stage the KeyValue in [at, end) of an owner; return whether there was room and it was as checked."""
    stay_apart()
    whole = at
    key_at = key_size = member = 0
    member_end = at
    while at < end:
        head = read_u32(at, end)
        if head < 0:
            return False
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag)
        if stop < 0:
            return False
        if tag == KEY or tag == VALUE:
            at += read_u32(at, end) >> 32
            if tag == KEY:
                key_at = at
                key_size = stop - at
            else:
                found = find_member(at, stop, member)
                if found != member:
                    member_end = stop
                member = found
        at = stop

    string = find_or_add(state, -1 - table, key_at, key_size)
    number = number_of(string)
    if number == UNNUMBERED:
        key = _open_key(state, string, table)
        if key == 0:
            return False
        number = number_of(string)
    else:
        key = get(state, KEY_ADDRESS) + KEY_BYTES * number

    value_type = type_of(member, member_end)
    kind = value_type
    if value_type > BOOL and member != 0:
        kind |= (end - whole) << SIZE_SHIFT
    if load_64(key + _LAST_OWNER) == row:
        kind |= REPEATED
    elif value_type != OTHER:
        place = key + _TYPE_COUNTS + 8 * value_type
        store_64(place, load_64(place) + 1)
    store_64(key + _LAST_OWNER, row)

    staged = next_number(state, ATTRIBUTES)
    if staged < 0:
        return False
    record = get(state, ATTRIBUTE_ADDRESS) + ATTRIBUTE_BYTES * staged
    store_64(record + _OWNER, number << 32 | row)
    store_64(record + _VALUE, _payload(state, number, value_type, place_of(member), member_end, whole))
    store_64(record + _TYPE, kind)
    return True
