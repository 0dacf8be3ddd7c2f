"""The state of a walk: one array of int64 that holds addresses of buffers, how much they hold, and what is counted.

Functions of the walk take the address of the state alone. That keeps the machine code small: arrays as arguments would
carry seven values and a reference count each into every function, and take Numba a minute to compile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # it has no types
from numba import types

from tempo_dask.kernels.otlp_wire import constants, emitted, inlined

# Tables, in the order of `storage.columns`, but for traces: how many rows each has by now.
SPANS, RESOURCES, SCOPES, EVENTS, LINKS = constants(range(5))
(TABLES,) = constants((5,))
# Also counted: pieces of work, staged attributes, keys, strings.
WORK, ATTRIBUTES, KEYS, STRINGS = constants(range(5, 9))
(COUNTS,) = constants((9,))

#: Behind the counts, in the same order: how many there is room for.
ROOM = COUNTS

# Behind those: the hash table of strings (see `otlp_intern`).
(MASK, SEED, SEED_2, SLOT_ADDRESS, STRING_ADDRESS, DICTIONARY_ADDRESS) = constants(range(18, 24))

# What the walk notes (see `otlp_walk`).
(WORK_ADDRESS, ATTRIBUTE_ADDRESS, KEY_ADDRESS, LAST_KEY, LAYOUT_ADDRESS, STACK_ADDRESS) = constants(range(24, 30))

#: Addresses of own columns: those of all tables one after another, in the order of the fields in `storage.columns`.
(COLUMNS,) = constants((32,))

#: Fields of the messages that are walked, behind the 32 own columns (see `otlp_layout`).
(FIELDS,) = constants((64,))


@emitted
def _get(_context, _state, _place):
    def generate(_context, builder, _signature, arguments):
        return builder.load(_pointer(builder, *arguments))

    return types.int64(types.int64, types.int64), generate


@emitted
def _put(_context, _state, _place, _value):
    def generate(_context, builder, _signature, arguments):
        state, place, value = arguments
        builder.store(value, _pointer(builder, state, place))

    return types.void(types.int64, types.int64, types.int64), generate


def _pointer(builder: Any, state: Any, place: Any) -> Any:
    number = ir.IntType(64)
    address = builder.add(state, builder.mul(place, ir.Constant(number, 8)))
    return builder.inttoptr(address, number.as_pointer())


#: Returns the number at a place of the state.
get: Callable[[int, int], int] = _get
#: Sets the number at a place of the state.
put: Callable[[int, int, int], None] = _put


@inlined
def next_number(state: int, count: int) -> int:
    """Count one more; return how many there were, or -1 where there is no room for it."""
    number = get(state, count)
    if number >= get(state, ROOM + count):
        return -1
    put(state, count, number + 1)
    return number
