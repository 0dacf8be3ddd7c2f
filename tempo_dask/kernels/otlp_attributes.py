"""Staging attributes: what each says, until all are known and columns can be chosen."""

from __future__ import annotations

from tempo_dask.kernels.otlp_intern import (
    STRING_BYTES,
    UNNUMBERED,
    address_of,
    find_or_add,
    intern,
    is_equal,
    number_of,
    open_dictionary,
    set_number,
    size_of,
)
from tempo_dask.kernels.otlp_schema import KEY, VALUE
from tempo_dask.kernels.otlp_state import (
    ATTRIBUTE_ADDRESS,
    ATTRIBUTES,
    KEY_ADDRESS,
    KEYS,
    LAST_KEY,
    STRING_ADDRESS,
    get,
    next_number,
    put,
)
from tempo_dask.kernels.otlp_values import (
    BOOL,
    COLUMN_TYPES,
    FLOAT,
    INT,
    OTHER,
    STR,
    find_member,
    place_of,
    plain_member,
    skip,
    type_of,
)
from tempo_dask.kernels.otlp_wire import (
    LOW_32,
    called,
    constants,
    inlined,
    load_8,
    load_64,
    read_u32,
    stay_apart,
    store_64,
    varint,
    varint_end,
)

#: The dictionary of the strings of a key is this one plus the number of the key; own columns have those below.
(KEY_DICTIONARIES,) = constants((9,))

# An attribute: number of the key (high half) and row of its owner (low half); a value (of strings the place in the
# table of strings and the number in the dictionary, in the halves; of what is not plain where the KeyValue lies); the
# type, a bit where the key repeats on its owner, and the size of the KeyValue (0: no value).
_OWNER, _VALUE, _TYPE, ATTRIBUTE_BYTES = constants(range(0, 32, 8))
REPEATED, SIZE_SHIFT = constants((1 << 4, 5))

# A key: its string, its table, the owner that had it last, the key that came next then, how many values of each type
# a column would hold.
_STRING, _TABLE, _LAST_OWNER, _NEXT, _TYPE_COUNTS = constants(range(0, 40, 8))
KEY_BYTES = _TYPE_COUNTS + 8 * COLUMN_TYPES


@called
def _new_key(state: int, string: int, table: int) -> int:
    """Number a new key; return its record, 0 where there is no room."""
    stay_apart()
    number = next_number(state, KEYS)
    if number < 0:
        return 0
    set_number(string, number)
    open_dictionary(state, KEY_DICTIONARIES + number)
    key = get(state, KEY_ADDRESS) + KEY_BYTES * number
    store_64(key + _STRING, string)
    store_64(key + _TABLE, table)
    store_64(key + _LAST_OWNER, -1)
    store_64(key + _NEXT, 0)
    for value_type in range(COLUMN_TYPES):
        store_64(key + _TYPE_COUNTS + 8 * value_type, 0)
    return key


@inlined
def _find_key(state: int, table: int, at: int, size: int) -> int:
    """Return the record of a key, 0 where there is no room. Most often it is the one that came next last time."""
    last = get(state, LAST_KEY)
    key = load_64(last + _NEXT) if last != 0 else 0
    if key != 0 and load_64(key + _TABLE) == table:
        string = load_64(key + _STRING)
        if size_of(string) == size and is_equal(address_of(string), at, size):
            put(state, LAST_KEY, key)
            return key
    string = find_or_add(state, -1 - table, at, size)
    if number_of(string) == UNNUMBERED:
        key = _new_key(state, string, table)
    else:
        key = get(state, KEY_ADDRESS) + KEY_BYTES * number_of(string)
    if last != 0:
        store_64(last + _NEXT, key)
    put(state, LAST_KEY, key)
    return key


@inlined
def _payload(state: int, number: int, value_type: int, place: int, end: int, whole: int) -> int:
    if value_type == STR:
        head = read_u32(place, end)
        string = intern(state, KEY_DICTIONARIES + number, place + (head >> 32), head & LOW_32)
        return (string - get(state, STRING_ADDRESS)) // STRING_BYTES << 32 | number_of(string)
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
    member = plain_member(at, end)
    key_at = at + 2
    key_size = load_8(at + 1) if member != 0 else 0
    member_end = end
    if member == 0:
        while at < end:
            head = read_u32(at, end)
            if head < 0:
                return False
            at += head >> 32
            tag = head & LOW_32
            stop = skip(at, end, tag)
            if stop < 0:
                return False
            if tag == KEY:
                key_at = at + (read_u32(at, end) >> 32)
                key_size = stop - key_at
            elif tag == VALUE:
                found = find_member(at + (read_u32(at, end) >> 32), stop, member)
                if found != member:
                    member_end = stop
                member = found
            at = stop

    key = _find_key(state, table, key_at, key_size)
    if key == 0:
        return False
    number = number_of(load_64(key + _STRING))
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
