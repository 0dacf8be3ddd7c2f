"""Interning byte strings in one hash table for a group of requests.

An entry is a string of one dictionary; a dictionary of its own numbers the strings of each column from 0 in order of
arrival, so columns of strings come out dictionary-encoded. Negative dictionaries number nothing: they only find equal
strings (keys of attributes, resources, scopes), and who adds an entry gives it its number.

The table probes linearly and doubles when half full. The hash is seeded per process, so that nobody can send strings
that collide.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import types

from tempo_dask.kernels.otlp_state import (
    DICTIONARY_ADDRESS,
    MASK,
    ROOM,
    SEED,
    SEED_2,
    SLOT_ADDRESS,
    STRING_ADDRESS,
    STRINGS,
    get,
    put,
)
from tempo_dask.kernels.otlp_wire import (
    LOW_32,
    called,
    constants,
    emitted,
    inlined,
    load_8,
    load_32,
    load_64,
    stay_apart,
    store_64,
)

# A string: where it lies, its size, its dictionary (high half) and number (low half), its hash. Its address in the
# table of strings stands for it.
_AT, _SIZE, _PLACE, _HASH, STRING_BYTES = constants(range(0, 40, 8))

# A dictionary: the string found last (0 before), how many strings it has, and of how many bytes together.
_LAST, _STRINGS, _BYTES, DICTIONARY_BYTES = constants(range(0, 32, 8))

#: A new string of a negative dictionary has no number yet.
UNNUMBERED = LOW_32

#: Seeds of the hash, one pair per process.
SEEDS: Final = (secrets.randbits(63), secrets.randbits(63))
(SMALLEST,) = constants((1 << 10,))


def slots_for(strings: int) -> int:
    """Return how many slots a table may grow to that comes to hold so many strings."""
    return max(int(SMALLEST), 1 << (2 * strings).bit_length())


@emitted
def _fold_generator(_context, _left, _right):
    def generate(_context, builder, _signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(a, wide) for a in arguments))
        high = builder.lshr(product, ir.Constant(wide, 64))
        return builder.trunc(builder.xor(product, high), ir.IntType(64))

    return types.int64(types.int64, types.int64), generate


#: Multiplies two numbers to 128 bits and lays the halves over each other.
_fold: Callable[[int, int], int] = _fold_generator


@inlined
def _hash(at: int, size: int, seed: int, seed_2: int) -> int:
    """Hash a string; words overlap rather than reach beyond its ends."""
    if size > 16:
        for offset in range(0, size - 16, 16):
            seed = _fold(load_64(at + offset) ^ seed_2, load_64(at + offset + 8) ^ seed)
    if size >= 8:
        left = load_64(at + max(0, size - 16))
        right = load_64(at + size - 8)
    elif size >= 4:
        left = load_32(at)
        right = load_32(at + size - 4)
    elif size > 0:
        left = load_8(at) << 8 | load_8(at + (size >> 1))
        right = load_8(at + size - 1)
    else:
        left = right = 0
    return _fold(_fold(left ^ seed_2, right ^ seed), size ^ seed_2)


@inlined
def is_equal(left: int, right: int, size: int) -> bool:
    """Return whether two strings of a size are equal; words overlap rather than reach beyond their ends."""
    if size >= 8:
        for offset in range(0, size - 8, 8):
            if load_64(left + offset) != load_64(right + offset):
                return False
        return load_64(left + size - 8) == load_64(right + size - 8)
    if size >= 4:
        return load_32(left) == load_32(right) and load_32(left + size - 4) == load_32(right + size - 4)
    difference = 0
    for offset in range(size):
        difference |= load_8(left + offset) ^ load_8(right + offset)
    return difference == 0


@inlined
def open_dictionary(state: int, dictionary: int) -> None:
    """Make a dictionary that numbers its strings ready."""
    place = get(state, DICTIONARY_ADDRESS) + DICTIONARY_BYTES * dictionary
    store_64(place + _LAST, 0)
    store_64(place + _STRINGS, 0)
    store_64(place + _BYTES, 0)


@inlined
def _clear_slots(state: int, count: int) -> None:
    slots = get(state, SLOT_ADDRESS)
    for slot in range(count):
        store_64(slots + 8 * slot, 0)


@called
def forget_strings(state: int) -> None:
    """Make the table empty."""
    stay_apart()
    put(state, STRINGS, 0)
    put(state, MASK, SMALLEST - 1)
    _clear_slots(state, SMALLEST)
    spare = get(state, STRING_ADDRESS) + STRING_BYTES * get(state, ROOM + STRINGS)
    for place in range(0, STRING_BYTES, 8):
        store_64(spare + place, 0)


@inlined
def _free_slot(state: int, found: int) -> int:
    """Return the address of the slot where a string of a hash that is not there yet goes."""
    mask = get(state, MASK)
    slots = get(state, SLOT_ADDRESS)
    slot = found & mask
    while load_64(slots + 8 * slot) != 0:
        slot = (slot + 1) & mask
    return slots + 8 * slot


@called
def _double(state: int) -> None:
    stay_apart()
    mask = 2 * get(state, MASK) + 1
    put(state, MASK, mask)
    _clear_slots(state, mask + 1)
    strings = get(state, STRING_ADDRESS)
    for number in range(get(state, STRINGS)):
        found = load_64(strings + STRING_BYTES * number + _HASH)
        store_64(_free_slot(state, found), (found & ~LOW_32) | (number + 1))


@inlined
def _add_to(place: int, more: int) -> int:
    """Add to the number at an address; return what it was."""
    number = load_64(place)
    store_64(place, number + more)
    return number


@called
def _add(state: int, dictionary: int, at: int, size: int, found: int) -> int:
    """Add a string. Where there is no room, return the spare one behind the last, which is never found."""
    stay_apart()
    count = get(state, STRINGS)
    if count >= get(state, ROOM + STRINGS):
        return get(state, STRING_ADDRESS) + STRING_BYTES * count
    put(state, STRINGS, count + 1)
    number = UNNUMBERED
    if dictionary >= 0:
        place = get(state, DICTIONARY_ADDRESS) + DICTIONARY_BYTES * dictionary
        number = _add_to(place + _STRINGS, 1)
        _add_to(place + _BYTES, size)
    string = get(state, STRING_ADDRESS) + STRING_BYTES * count
    store_64(string + _AT, at)
    store_64(string + _SIZE, size)
    store_64(string + _PLACE, dictionary << 32 | number)
    store_64(string + _HASH, found)
    store_64(_free_slot(state, found), (found & ~LOW_32) | (count + 1))
    if 2 * (count + 1) > get(state, MASK):
        _double(state)
    return string


@called
def find_or_add(state: int, dictionary: int, at: int, size: int) -> int:
    """Return the string of a dictionary that is equal, a new one if there is none."""
    stay_apart()
    found = _hash(at, size, get(state, SEED) ^ dictionary, get(state, SEED_2))
    mask = get(state, MASK)
    slots = get(state, SLOT_ADDRESS)
    strings = get(state, STRING_ADDRESS)
    slot = found & mask
    taken = load_64(slots + 8 * slot)
    while taken != 0:
        if (taken ^ found) >> 32 == 0:
            string = strings + STRING_BYTES * ((taken & LOW_32) - 1)
            if (
                load_64(string + _SIZE) == size
                and load_64(string + _PLACE) >> 32 == dictionary
                and is_equal(load_64(string + _AT), at, size)
            ):
                return string
        slot = (slot + 1) & mask
        taken = load_64(slots + 8 * slot)
    return _add(state, dictionary, at, size, found)


@called
def intern(state: int, dictionary: int, at: int, size: int) -> int:
    """Return the string of a dictionary that numbers; the one found last is looked at first."""
    stay_apart()
    last = get(state, DICTIONARY_ADDRESS) + DICTIONARY_BYTES * dictionary + _LAST
    string = load_64(last)
    if string == 0 or load_64(string + _SIZE) != size or not is_equal(load_64(string + _AT), at, size):
        string = find_or_add(state, dictionary, at, size)
        store_64(last, string)
    return string


@inlined
def number_of(string: int) -> int:
    """Return the number of a string."""
    return load_64(string + _PLACE) & LOW_32


@inlined
def set_number(string: int, number: int) -> None:
    """Give a string of a negative dictionary its number."""
    store_64(string + _PLACE, (load_64(string + _PLACE) & ~LOW_32) | number)


@inlined
def address_of(string: int) -> int:
    """Return where a string lies."""
    return load_64(string + _AT)


@inlined
def size_of(string: int) -> int:
    """Return how many bytes a string has."""
    return load_64(string + _SIZE)
