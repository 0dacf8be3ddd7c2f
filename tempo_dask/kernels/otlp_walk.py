"""Walking checked requests: own columns are written, attributes are staged with what a column needs of them.

The walk keeps the fields of the message that it is in in the state, the last one of a number winning, and writes a row
when the message ends. What a ResourceSpans says of its resource may stand behind its spans, so resources and scopes
are held, numbered when the message around them ends, and walked last: requests, then resources and scopes, are pieces
of one list of work.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels import otlp_schema as schema
from tempo_dask.kernels.otlp_attributes import KEY_DICTIONARIES, stage_attribute
from tempo_dask.kernels.otlp_intern import (
    UNNUMBERED,
    find_or_add,
    forget_strings,
    intern,
    number_of,
    open_dictionary,
    set_number,
)
from tempo_dask.kernels.otlp_schema import (
    EVENT,
    LINK,
    MESSAGES,
    REQUEST,
    RESOURCE,
    RESOURCE_SPANS,
    SCOPE,
    SCOPE_SPANS,
    SPAN,
    TAGS,
)
from tempo_dask.kernels.otlp_state import (
    COLUMNS,
    COUNTS,
    EVENTS,
    FIELDS,
    LAYOUT_ADDRESS,
    LINKS,
    RESOURCES,
    SCOPES,
    SPANS,
    STACK_ADDRESS,
    TABLES,
    WORK,
    WORK_ADDRESS,
    get,
    next_number,
    put,
)
from tempo_dask.kernels.otlp_values import skip
from tempo_dask.kernels.otlp_wire import (
    BYTES,
    FIXED32,
    FIXED64,
    LOW_32,
    VARINT,
    called,
    inlined,
    load_16,
    load_32,
    load_64,
    read_u32,
    stay_apart,
    store_32,
    store_64,
    varint,
)
from tempo_dask.kernels.signatures import I64, OUT_I64, U8

# Dictionaries of own columns; those of attributes follow from `KEY_DICTIONARIES` on.
(NAME, STATUS_MESSAGE, TRACE_STATE, RESOURCE_URL, SCOPE_NAME, SCOPE_VERSION, SCOPE_URL, EVENT_NAME, LINK_STATE) = (
    np.arange(KEY_DICTIONARIES)
)

# A piece of work: where it lies and ends, the message that it holds, its row (-1: not yet numbered).
PIECE_BYTES: Final = 32
_AT, _END, _MESSAGE, _ROW = np.arange(0, 32, 8)
_LEFT_OUT = np.int64(-1)  # as message: an equal resource or scope has been held before

# Own columns, in the order of the fields in `storage.columns`.
(
    _SPAN_TRACE_ID,
    _SPAN_ID,
    _SPAN_PARENT_ID,
    _SPAN_START,
    _SPAN_DURATION,
    _SPAN_NAME,
    _SPAN_KIND,
    _SPAN_STATUS,
    _SPAN_STATUS_MESSAGE,
    _SPAN_TRACE_STATE,
    _SPAN_FLAGS,
    _SPAN_DROPPED_ATTRIBUTES,
    _SPAN_DROPPED_EVENTS,
    _SPAN_DROPPED_LINKS,
    _SPAN_RESOURCE,
    _SPAN_SCOPE,
    _RESOURCE_URL,
    _RESOURCE_DROPPED,
    _SCOPE_NAME,
    _SCOPE_VERSION,
    _SCOPE_URL,
    _SCOPE_DROPPED,
    _EVENT_SPAN,
    _EVENT_TIME,
    _EVENT_NAME,
    _EVENT_DROPPED,
    _LINK_SPAN,
    _LINK_TRACE_ID,
    _LINK_SPAN_ID,
    _LINK_STATE,
    _LINK_FLAGS,
    _LINK_DROPPED,
) = np.arange(COLUMNS, COLUMNS + 32)

# Fields: numbers take one place, strings two (where they lie, how many bytes).
_F_RESOURCE_URL, _F_RESOURCE_SPAN, _F_RESOURCE_WORK = (FIELDS + i for i in (0, 2, 3))
_F_SCOPE_URL, _F_SCOPE_SPAN, _F_SCOPE_WORK = (FIELDS + i for i in (4, 6, 7))
_F_SPAN: Final = FIELDS + 8
_F_TRACE_ID, _F_SPAN_ID, _F_PARENT_ID, _F_TRACE_STATE, _F_NAME, _F_STATUS_MESSAGE = np.arange(_F_SPAN, _F_SPAN + 12, 2)
(
    _F_KIND,
    _F_START,
    _F_STOP,
    _F_FLAGS,
    _F_DROPPED_ATTRIBUTES,
    _F_DROPPED_EVENTS,
    _F_DROPPED_LINKS,
    _F_STATUS,
    _F_EVENT,
) = np.arange(_F_SPAN + 12, _F_SPAN + 21)
_F_EVENT_NAME, _F_EVENT_TIME, _F_EVENT_DROPPED, _F_LINK = (_F_EVENT + i for i in (0, 2, 3, 4))
_F_LINK_TRACE_ID, _F_LINK_SPAN_ID, _F_LINK_STATE, _F_LINK_FLAGS, _F_LINK_DROPPED, _F_RESOURCE = (
    _F_LINK + i for i in (0, 2, 4, 6, 7, 8)
)
_F_RESOURCE_DROPPED, _F_SCOPE_ROW, _F_SCOPE = (_F_RESOURCE + i for i in (0, 1, 2))
_F_SCOPE_NAME, _F_SCOPE_VERSION, _F_SCOPE_DROPPED, _F_END = (_F_SCOPE + i for i in (0, 2, 4, 5))

# What to do with a field; where it goes, or the message to enter, stands in the bits above.
_SKIP, _SLICE, _NUMBER, _WORD, _HALF_WORD, _ENTER, _ATTRIBUTE, _HOLD = np.arange(8)
_DO_BITS: Final = 3
_DO_MASK: Final = 7

_PLACES: Final = {
    (RESOURCE_SPANS, 3): (_SLICE, _F_RESOURCE_URL),
    (SCOPE_SPANS, 3): (_SLICE, _F_SCOPE_URL),
    (SPAN, 1): (_SLICE, _F_TRACE_ID),
    (SPAN, 2): (_SLICE, _F_SPAN_ID),
    (SPAN, 3): (_SLICE, _F_TRACE_STATE),
    (SPAN, 4): (_SLICE, _F_PARENT_ID),
    (SPAN, 5): (_SLICE, _F_NAME),
    (SPAN, 6): (_NUMBER, _F_KIND),
    (SPAN, 7): (_WORD, _F_START),
    (SPAN, 8): (_WORD, _F_STOP),
    (SPAN, 10): (_NUMBER, _F_DROPPED_ATTRIBUTES),
    (SPAN, 12): (_NUMBER, _F_DROPPED_EVENTS),
    (SPAN, 14): (_NUMBER, _F_DROPPED_LINKS),
    (SPAN, 16): (_HALF_WORD, _F_FLAGS),
    (schema.STATUS, 2): (_SLICE, _F_STATUS_MESSAGE),
    (schema.STATUS, 3): (_NUMBER, _F_STATUS),
    (EVENT, 1): (_WORD, _F_EVENT_TIME),
    (EVENT, 2): (_SLICE, _F_EVENT_NAME),
    (EVENT, 4): (_NUMBER, _F_EVENT_DROPPED),
    (LINK, 1): (_SLICE, _F_LINK_TRACE_ID),
    (LINK, 2): (_SLICE, _F_LINK_SPAN_ID),
    (LINK, 3): (_SLICE, _F_LINK_STATE),
    (LINK, 5): (_NUMBER, _F_LINK_DROPPED),
    (LINK, 6): (_HALF_WORD, _F_LINK_FLAGS),
    (RESOURCE, 2): (_NUMBER, _F_RESOURCE_DROPPED),
    (SCOPE, 1): (_SLICE, _F_SCOPE_NAME),
    (SCOPE, 2): (_SLICE, _F_SCOPE_VERSION),
    (SCOPE, 4): (_NUMBER, _F_SCOPE_DROPPED),
}
_WIRE_TYPES: Final = {_SLICE: BYTES, _NUMBER: VARINT, _WORD: FIXED64, _HALF_WORD: FIXED32}


def _layout() -> npt.NDArray[np.uint16]:
    """Return what to do with each tag of each message."""
    table = np.zeros((MESSAGES, TAGS), np.uint16)
    for (message, field), inner in schema.SUBMESSAGES.items():
        if message <= schema.STATUS and inner != schema.ENTITY:
            what = _ATTRIBUTE if inner == schema.ATTRIBUTE else _HOLD if inner in {RESOURCE, SCOPE} else _ENTER
            table[message, schema.tag(field, BYTES)] = what | inner << _DO_BITS
    for (message, field), (what, place) in _PLACES.items():
        table[message, schema.tag(field, _WIRE_TYPES[what])] = what | place << _DO_BITS
    table.flags.writeable = False
    return table.reshape(-1)


LAYOUT: Final = _layout()

#: Messages lie at most four deep in a piece of work: resource spans, scope spans, span, what a span holds.
_STACK_WORDS: Final = 2 * 4


@inlined
def _clear(state: int, first: int, stop: int) -> None:
    for place in range(first, stop):
        put(state, place, 0)


@inlined
def _store_number(state: int, column: int, row: int, field: int) -> None:
    store_32(get(state, column) + 4 * row, get(state, field))


@inlined
def _store_string(state: int, column: int, row: int, dictionary: int, field: int) -> None:
    string = intern(state, dictionary, get(state, field), get(state, field + 1))
    store_32(get(state, column) + 4 * row, number_of(string))


@inlined
def _store_span_id(state: int, column: int, row: int, field: int) -> None:
    """Store an id of eight bytes, zeros where it is absent."""
    store_64(get(state, column) + 8 * row, load_64(get(state, field)) if get(state, field + 1) == 8 else 0)


@inlined
def _store_trace_id(state: int, column: int, row: int, field: int) -> None:
    """Store an id of sixteen bytes, zeros where it is absent."""
    place = get(state, column) + 16 * row
    at = get(state, field)
    is_there = get(state, field + 1) == 16
    store_64(place, load_64(at) if is_there else 0)
    store_64(place + 8, load_64(at + 8) if is_there else 0)


@called
def _end_span(state: int) -> None:
    stay_apart()
    row = get(state, SPANS) - 1
    start = get(state, _F_START)
    _store_trace_id(state, _SPAN_TRACE_ID, row, _F_TRACE_ID)
    _store_span_id(state, _SPAN_ID, row, _F_SPAN_ID)
    _store_span_id(state, _SPAN_PARENT_ID, row, _F_PARENT_ID)
    store_64(get(state, _SPAN_START) + 8 * row, start)
    store_64(get(state, _SPAN_DURATION) + 8 * row, get(state, _F_STOP) - start)
    _store_string(state, _SPAN_NAME, row, NAME, _F_NAME)
    _store_number(state, _SPAN_KIND, row, _F_KIND)
    _store_number(state, _SPAN_STATUS, row, _F_STATUS)
    _store_string(state, _SPAN_STATUS_MESSAGE, row, STATUS_MESSAGE, _F_STATUS_MESSAGE)
    _store_string(state, _SPAN_TRACE_STATE, row, TRACE_STATE, _F_TRACE_STATE)
    _store_number(state, _SPAN_FLAGS, row, _F_FLAGS)
    _store_number(state, _SPAN_DROPPED_ATTRIBUTES, row, _F_DROPPED_ATTRIBUTES)
    _store_number(state, _SPAN_DROPPED_EVENTS, row, _F_DROPPED_EVENTS)
    _store_number(state, _SPAN_DROPPED_LINKS, row, _F_DROPPED_LINKS)


@called
def _end_event(state: int) -> None:
    stay_apart()
    row = get(state, EVENTS) - 1
    store_32(get(state, _EVENT_SPAN) + 4 * row, get(state, SPANS) - 1)
    store_64(get(state, _EVENT_TIME) + 8 * row, get(state, _F_EVENT_TIME))
    _store_string(state, _EVENT_NAME, row, EVENT_NAME, _F_EVENT_NAME)
    _store_number(state, _EVENT_DROPPED, row, _F_EVENT_DROPPED)


@called
def _end_link(state: int) -> None:
    stay_apart()
    row = get(state, LINKS) - 1
    store_32(get(state, _LINK_SPAN) + 4 * row, get(state, SPANS) - 1)
    _store_trace_id(state, _LINK_TRACE_ID, row, _F_LINK_TRACE_ID)
    _store_span_id(state, _LINK_SPAN_ID, row, _F_LINK_SPAN_ID)
    _store_string(state, _LINK_STATE, row, LINK_STATE, _F_LINK_STATE)
    _store_number(state, _LINK_FLAGS, row, _F_LINK_FLAGS)
    _store_number(state, _LINK_DROPPED, row, _F_LINK_DROPPED)


@called
def _end_scope(state: int, row: int) -> None:
    stay_apart()
    _store_string(state, _SCOPE_NAME, row, SCOPE_NAME, _F_SCOPE_NAME)
    _store_string(state, _SCOPE_VERSION, row, SCOPE_VERSION, _F_SCOPE_VERSION)
    _store_number(state, _SCOPE_DROPPED, row, _F_SCOPE_DROPPED)


@inlined
def _piece(state: int, number: int) -> int:
    return get(state, WORK_ADDRESS) + PIECE_BYTES * number


@called
def _hold(state: int, at: int, end: int, message: int) -> bool:
    """Add a piece of work; return whether there was room."""
    stay_apart()
    number = next_number(state, WORK)
    if number < 0:
        return False
    piece = _piece(state, number)
    store_64(piece + _AT, at)
    store_64(piece + _END, end)
    store_64(piece + _MESSAGE, message)
    store_64(piece + _ROW, -1)
    return True


@inlined
def _is_part(piece: int, message: int) -> bool:
    return load_64(piece + _MESSAGE) == message and load_64(piece + _ROW) < 0


@called
def _row_of_held(state: int, first: int, message: int, table: int, url: int) -> int:
    """Number what was held of one message since `first`; return its row: an equal one's, or a new one, -1 if no room.

    Resources and scopes are equal if their bytes and schema urls are. One that comes in several parts is merged,
    and never equal to another.
    """
    stay_apart()
    parts = 0
    part = 0
    for number in range(first, get(state, WORK)):
        if _is_part(_piece(state, number), message):
            parts += 1
            part = _piece(state, number)
    if parts <= 1:
        at = load_64(part + _AT) if parts else 0
        size = load_64(part + _END) - at if parts else 0
        string = find_or_add(state, -TABLES * (url + 1) - 1 - table, at, size)
        if number_of(string) != UNNUMBERED:
            if parts:
                store_64(part + _MESSAGE, _LEFT_OUT)
            return number_of(string)
        set_number(string, get(state, table))
        if parts == 0 and not _hold(state, 0, 0, message):
            return -1
    row = next_number(state, table)
    for number in range(first, get(state, WORK)):
        if _is_part(_piece(state, number), message):
            store_64(_piece(state, number) + _ROW, row)
    return row


@called
def _end_around(
    state: int, message: int, table: int, dictionary: int, column: int, url_column: int, field: int
) -> bool:
    """End a ResourceSpans or a ScopeSpans; its fields are the url, the first span, the first piece held."""
    stay_apart()
    url = number_of(intern(state, dictionary, get(state, field), get(state, field + 1)))
    row = _row_of_held(state, get(state, field + 3), message, table, url)
    if row < 0:
        return False
    store_32(get(state, url_column) + 4 * row, url)
    rows = get(state, column)
    for span in range(get(state, field + 2), get(state, SPANS)):
        store_32(rows + 4 * span, row)
    return True


@inlined
def _begin_around(state: int, field: int) -> None:
    put(state, field, 0)
    put(state, field + 1, 0)
    put(state, field + 2, get(state, SPANS))
    put(state, field + 3, get(state, WORK))


@inlined
def _begin(state: int, message: int) -> bool:
    """Begin a message; return whether there was room for its row."""
    if message == SPAN:
        _clear(state, _F_SPAN, _F_EVENT)
        return next_number(state, SPANS) >= 0
    if message == EVENT:
        _clear(state, _F_EVENT, _F_LINK)
        return next_number(state, EVENTS) >= 0
    if message == LINK:
        _clear(state, _F_LINK, _F_RESOURCE)
        return next_number(state, LINKS) >= 0
    if message == SCOPE_SPANS:
        _begin_around(state, _F_SCOPE_URL)
    elif message == RESOURCE_SPANS:
        _begin_around(state, _F_RESOURCE_URL)
    return True


@inlined
def _end(state: int, message: int, row: int) -> bool:
    """End a message; return whether there was room for what follows from it."""
    if message == SPAN:
        _end_span(state)
    elif message == EVENT:
        _end_event(state)
    elif message == LINK:
        _end_link(state)
    elif message == SCOPE_SPANS:
        return _end_around(state, SCOPE, SCOPES, SCOPE_URL, _SPAN_SCOPE, _SCOPE_URL, _F_SCOPE_URL)
    elif message == RESOURCE_SPANS:
        return _end_around(state, RESOURCE, RESOURCES, RESOURCE_URL, _SPAN_RESOURCE, _RESOURCE_URL, _F_RESOURCE_URL)
    elif message == RESOURCE:
        _store_number(state, _RESOURCE_DROPPED, row, _F_RESOURCE_DROPPED)
    elif message == SCOPE:
        _end_scope(state, row)
    return True


@inlined
def _begin_piece(state: int, message: int, row: int) -> None:
    """Set the fields of a resource or a scope to what its earlier parts said."""
    if message == RESOURCE:
        put(state, _F_RESOURCE_DROPPED, load_32(get(state, _RESOURCE_DROPPED) + 4 * row))
    elif message == SCOPE and row != get(state, _F_SCOPE_ROW):
        _clear(state, _F_SCOPE, _F_END)
        put(state, _F_SCOPE_ROW, row)


@inlined
def _table_of(message: int) -> int:
    if message == SPAN:
        return SPANS
    if message == EVENT:
        return EVENTS
    if message == LINK:
        return LINKS
    return RESOURCES if message == RESOURCE else SCOPES


@called
def _walk_piece(state: int, piece: int) -> bool:
    """Walk a piece of work; return whether it was as checked."""
    stay_apart()
    at = load_64(piece + _AT)
    end = load_64(piece + _END)
    message = load_64(piece + _MESSAGE)
    owner = load_64(piece + _ROW)
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
        entry = load_16(layout + 2 * (message * TAGS + tag)) if tag < TAGS else _SKIP
        what = entry & _DO_MASK
        place = entry >> _DO_BITS
        if what == _NUMBER:
            put(state, place, varint(at, stop))
        elif what == _WORD:
            put(state, place, load_64(at))
        elif what == _HALF_WORD:
            put(state, place, load_32(at))
        elif what != _SKIP:
            at += read_u32(at, end) >> 32
            if what == _SLICE:
                put(state, place, at)
                put(state, place + 1, stop - at)
            elif what == _ATTRIBUTE:
                table = _table_of(message)
                row = owner if owner >= 0 else get(state, table) - 1
                if not stage_attribute(state, table, row, at, stop):
                    return False
            elif what == _HOLD:
                if not _hold(state, at, stop, place):
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
def walk(state_array: Any, data: Any, bounds: Any) -> bool:
    """Walk all requests of a group; return whether they were as checked.

    The state must hold addresses of buffers with the room that it says, which the check has counted.
    """
    state = np.int64(state_array.ctypes.data)
    stack = np.empty(_STACK_WORDS, np.int64)
    put(state, STACK_ADDRESS, np.int64(stack.ctypes.data))
    _clear(state, 0, COUNTS)
    put(state, _F_SCOPE_ROW, -1)
    forget_strings(state)
    for dictionary in range(KEY_DICTIONARIES):
        open_dictionary(state, dictionary)
    base = np.int64(data.ctypes.data)
    ok = True
    for body in range(bounds.size - 1):
        ok = ok and _hold(state, base + bounds[body], base + bounds[body + 1], REQUEST)
    number = 0
    while ok and number < get(state, WORK):
        piece = _piece(state, number)
        if load_64(piece + _MESSAGE) != _LEFT_OUT:
            ok = _walk_piece(state, piece)
        number += 1
    return ok and stack.size > 0  # the stack is needed until here
