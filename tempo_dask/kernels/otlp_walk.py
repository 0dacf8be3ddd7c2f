"""Walking checked requests: own columns are written, attributes are staged with what a column needs of them.

The walk keeps the fields of the message that it is in in the state, the last one of a number winning, and writes a row
when the message ends.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit, types

from tempo_dask.kernels import otlp_layout as at_place
from tempo_dask.kernels.otlp_attributes import KEY_DICTIONARIES, stage_attribute
from tempo_dask.kernels.otlp_intern import forget_strings, open_dictionary
from tempo_dask.kernels.otlp_layout import (
    EVENT_FIELDS,
    F_RESOURCE_DROPPED,
    F_SCOPE_ROW,
    FIELDS_END,
    HOLD,
    KEEP_FIXED32,
    KEEP_FIXED64,
    KEEP_SLICE,
    KEEP_VARINT,
    LINK_FIELDS,
    RESOURCE_DROPPED,
    RESOURCE_SPANS_FIELDS,
    SCOPE_SPANS_FIELDS,
    SKIP,
    SPAN_FIELDS,
    STAGE,
    WHAT_BITS,
)
from tempo_dask.kernels.otlp_rows import clear_fields, end_event, end_link, end_scope, end_span, store_number
from tempo_dask.kernels.otlp_schema import (
    EVENT,
    LINK,
    REQUEST,
    RESOURCE,
    RESOURCE_SPANS,
    SCOPE,
    SCOPE_SPANS,
    SPAN,
    TAGS,
)
from tempo_dask.kernels.otlp_state import (
    COUNTS,
    EVENTS,
    LAST_KEY,
    LAYOUT_ADDRESS,
    LINKS,
    RESOURCES,
    SCOPES,
    SPANS,
    STACK_ADDRESS,
    WORK,
    get,
    next_number,
    put,
)
from tempo_dask.kernels.otlp_values import skip
from tempo_dask.kernels.otlp_wire import (
    LOW_32,
    called,
    inlined,
    load_16,
    load_32,
    load_64,
    read_u32,
    stay_apart,
    store_64,
    varint,
)
from tempo_dask.kernels.otlp_work import (
    LEFT_OUT,
    PIECE_AT,
    PIECE_END,
    PIECE_MESSAGE,
    PIECE_ROW,
    begin_around,
    end_around,
    hold,
    piece_at,
)
from tempo_dask.kernels.signatures import I64, OUT_I64, U8

#: Messages lie at most four deep in a piece of work: resource spans, scope spans, span, what a span holds.
_STACK_WORDS: Final = 2 * 4


@called
def _begin(state: int, message: int) -> bool:
    """Begin a message; return whether there was room for its row."""
    stay_apart()
    if message == SPAN:
        clear_fields(state, SPAN_FIELDS, EVENT_FIELDS)
        return next_number(state, SPANS) >= 0
    if message == EVENT:
        clear_fields(state, EVENT_FIELDS, LINK_FIELDS)
        return next_number(state, EVENTS) >= 0
    if message == LINK:
        clear_fields(state, LINK_FIELDS, F_RESOURCE_DROPPED)
        return next_number(state, LINKS) >= 0
    if message == SCOPE_SPANS:
        begin_around(state, SCOPE_SPANS_FIELDS)
    elif message == RESOURCE_SPANS:
        begin_around(state, RESOURCE_SPANS_FIELDS)
    return True


@called
def _end(state: int, message: int, row: int) -> bool:
    """End a message; return whether there was room for what follows from it."""
    stay_apart()
    if message == SPAN:
        end_span(state)
    elif message == EVENT:
        end_event(state)
    elif message == LINK:
        end_link(state)
    elif message == SCOPE_SPANS:
        return end_around(
            state,
            SCOPE,
            SCOPES,
            at_place.SCOPE_URLS,
            at_place.SPAN_SCOPE,
            at_place.SCOPE_URL,
            SCOPE_SPANS_FIELDS,
        )
    elif message == RESOURCE_SPANS:
        return end_around(
            state,
            RESOURCE,
            RESOURCES,
            at_place.RESOURCE_URLS,
            at_place.SPAN_RESOURCE,
            at_place.RESOURCE_URL,
            RESOURCE_SPANS_FIELDS,
        )
    elif message == RESOURCE:
        store_number(state, RESOURCE_DROPPED, row, get(state, F_RESOURCE_DROPPED))
    elif message == SCOPE:
        end_scope(state, row)
    return True


@inlined
def _begin_piece(state: int, message: int, row: int) -> None:
    """Set the fields of a resource or a scope to what its earlier parts said."""
    if message == RESOURCE:
        put(state, F_RESOURCE_DROPPED, load_32(get(state, RESOURCE_DROPPED) + 4 * row))
    elif message == SCOPE and row != get(state, F_SCOPE_ROW):
        clear_fields(state, F_SCOPE_ROW, FIELDS_END)
        put(state, F_SCOPE_ROW, row)


@inlined
def _table_of(message: int) -> int:
    if message == SPAN:
        return SPANS
    if message == EVENT:
        return EVENTS
    if message == LINK:
        return LINKS
    return RESOURCES if message == RESOURCE else SCOPES


@inlined
def _walk_piece(state: int, piece: int) -> bool:
    """Walk a piece of work; return whether it was as checked."""
    at = load_64(piece + PIECE_AT)
    end = load_64(piece + PIECE_END)
    message = load_64(piece + PIECE_MESSAGE)
    owner = load_64(piece + PIECE_ROW)
    layout = get(state, LAYOUT_ADDRESS)
    bottom = get(state, STACK_ADDRESS)
    top = bottom
    _begin_piece(state, message, owner)
    while True:
        if at >= end:
            if not _end(state, message, owner):
                return False
            if top == bottom:
                return True
            top -= 16
            message = load_64(top)
            end = load_64(top + 8)
            continue
        head = read_u32(at, end)
        if head < 0:
            return False
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag)
        if stop < 0:
            return False
        entry = load_16(layout + 2 * (message * TAGS + tag)) if tag < TAGS else SKIP
        what = entry & ((1 << WHAT_BITS) - 1)
        place = entry >> WHAT_BITS
        if what == KEEP_VARINT:
            put(state, place, varint(at, stop))
        elif what == KEEP_FIXED64:
            put(state, place, load_64(at))
        elif what == KEEP_FIXED32:
            put(state, place, load_32(at))
        elif what != SKIP:
            at += read_u32(at, end) >> 32
            if what == KEEP_SLICE:
                put(state, place, at)
                put(state, place + 1, stop - at)
            elif what == STAGE:
                table = _table_of(message)
                row = owner if owner >= 0 else get(state, table) - 1
                if not stage_attribute(state, table, row, at, stop):
                    return False
            elif what == HOLD:
                if not hold(state, at, stop, place):
                    return False
            else:
                store_64(top, message)
                store_64(top + 8, end)
                top += 16
                message = place
                end = stop
                if not _begin(state, message):
                    return False
                continue
        at = stop


@njit(types.boolean(OUT_I64, U8, I64), cache=True, nogil=True, error_model="numpy")
def walk(state_array, data, bounds):
    """Walk all requests of a group; return whether they were as checked.

    The state must hold addresses of buffers with the room that it says, which the check has counted.
    """
    state = np.int64(state_array.ctypes.data)
    stack = np.empty(_STACK_WORDS, np.int64)
    put(state, STACK_ADDRESS, np.int64(stack.ctypes.data))
    for count in range(COUNTS):
        put(state, count, 0)
    put(state, F_SCOPE_ROW, -1)
    put(state, LAST_KEY, 0)
    forget_strings(state)
    for dictionary in range(KEY_DICTIONARIES):
        open_dictionary(state, dictionary)
    base = np.int64(data.ctypes.data)
    ok = True
    for body in range(bounds.size - 1):
        ok = ok and hold(state, base + bounds[body], base + bounds[body + 1], REQUEST)
    number = 0
    while ok and number < get(state, WORK):
        piece = piece_at(state, number)
        if load_64(piece + PIECE_MESSAGE) != LEFT_OUT:
            ok = _walk_piece(state, piece)
        number += 1
    return ok and stack.size > 0  # so that the stack lives until here
