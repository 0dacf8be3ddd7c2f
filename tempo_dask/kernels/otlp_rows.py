"""Writing the own columns of spans, events, links and scopes from the fields that a walk has kept."""

from __future__ import annotations

from tempo_dask.kernels import otlp_layout as at
from tempo_dask.kernels.otlp_intern import intern, number_of
from tempo_dask.kernels.otlp_state import EVENTS, LINKS, SPANS, get, put
from tempo_dask.kernels.otlp_wire import called, inlined, load_64, stay_apart, store_32, store_64


@inlined
def clear_fields(state: int, first: int, stop: int) -> None:
    """Forget the fields of the message before."""
    for place in range(first, stop):
        put(state, place, 0)


@inlined
def store_number(state: int, column: int, row: int, number: int) -> None:
    """Write a number of 32 bits to an own column."""
    store_32(get(state, column) + 4 * row, number)


@inlined
def _store_field(state: int, column: int, row: int, field: int) -> None:
    store_32(get(state, column) + 4 * row, get(state, field))


@inlined
def _store_span_id(state: int, column: int, row: int, field: int) -> None:
    """Write an id of eight bytes, zeros where it is absent."""
    store_64(get(state, column) + 8 * row, load_64(get(state, field)) if get(state, field + 1) == 8 else 0)


@inlined
def _store_trace_id(state: int, column: int, row: int, field: int) -> None:
    """Write an id of sixteen bytes, zeros where it is absent."""
    place = get(state, column) + 16 * row
    first = get(state, field)
    is_there = get(state, field + 1) == 16
    store_64(place, load_64(first) if is_there else 0)
    store_64(place + 8, load_64(first + 8) if is_there else 0)


@called
def end_span(state: int) -> None:
    """Write the span begun last, but for the numbers of its resource and scope."""
    stay_apart()
    row = get(state, SPANS) - 1
    start = get(state, at.F_START)
    _store_trace_id(state, at.SPAN_TRACE_ID, row, at.F_TRACE_ID)
    _store_span_id(state, at.SPAN_ID, row, at.F_SPAN_ID)
    _store_span_id(state, at.SPAN_PARENT_ID, row, at.F_PARENT_ID)
    store_64(get(state, at.SPAN_START) + 8 * row, start)
    store_64(get(state, at.SPAN_DURATION) + 8 * row, get(state, at.F_STOP) - start)
    name = intern(state, at.NAMES, get(state, at.F_NAME), get(state, at.F_NAME + 1))
    store_number(state, at.SPAN_NAME, row, number_of(name))
    _store_field(state, at.SPAN_KIND, row, at.F_KIND)
    _store_field(state, at.SPAN_STATUS, row, at.F_STATUS)
    message = intern(state, at.STATUS_MESSAGES, get(state, at.F_STATUS_MESSAGE), get(state, at.F_STATUS_MESSAGE + 1))
    store_number(state, at.SPAN_STATUS_MESSAGE, row, number_of(message))
    trace_state = intern(state, at.TRACE_STATES, get(state, at.F_TRACE_STATE), get(state, at.F_TRACE_STATE + 1))
    store_number(state, at.SPAN_TRACE_STATE, row, number_of(trace_state))
    _store_field(state, at.SPAN_FLAGS, row, at.F_FLAGS)
    _store_field(state, at.SPAN_DROPPED_ATTRIBUTES, row, at.F_DROPPED_ATTRIBUTES)
    _store_field(state, at.SPAN_DROPPED_EVENTS, row, at.F_DROPPED_EVENTS)
    _store_field(state, at.SPAN_DROPPED_LINKS, row, at.F_DROPPED_LINKS)


@called
def end_event(state: int) -> None:
    """Write the event begun last, of the span begun last."""
    stay_apart()
    row = get(state, EVENTS) - 1
    store_number(state, at.EVENT_SPAN, row, get(state, SPANS) - 1)
    store_64(get(state, at.EVENT_TIME) + 8 * row, get(state, at.F_EVENT_TIME))
    name = intern(state, at.EVENT_NAMES, get(state, at.F_EVENT_NAME), get(state, at.F_EVENT_NAME + 1))
    store_number(state, at.EVENT_NAME, row, number_of(name))
    _store_field(state, at.EVENT_DROPPED, row, at.F_EVENT_DROPPED)


@called
def end_link(state: int) -> None:
    """Write the link begun last, of the span begun last."""
    stay_apart()
    row = get(state, LINKS) - 1
    store_number(state, at.LINK_SPAN, row, get(state, SPANS) - 1)
    _store_trace_id(state, at.LINK_TRACE_ID, row, at.F_LINK_TRACE_ID)
    _store_span_id(state, at.LINK_SPAN_ID, row, at.F_LINK_SPAN_ID)
    trace_state = intern(state, at.LINK_STATES, get(state, at.F_LINK_STATE), get(state, at.F_LINK_STATE + 1))
    store_number(state, at.LINK_STATE, row, number_of(trace_state))
    _store_field(state, at.LINK_FLAGS, row, at.F_LINK_FLAGS)
    _store_field(state, at.LINK_DROPPED, row, at.F_LINK_DROPPED)


@called
def end_scope(state: int, row: int) -> None:
    """Write a scope, but for its schema url."""
    stay_apart()
    name = intern(state, at.SCOPE_NAMES, get(state, at.F_SCOPE_NAME), get(state, at.F_SCOPE_NAME + 1))
    store_number(state, at.SCOPE_NAME, row, number_of(name))
    version = intern(state, at.SCOPE_VERSIONS, get(state, at.F_SCOPE_VERSION), get(state, at.F_SCOPE_VERSION + 1))
    store_number(state, at.SCOPE_VERSION, row, number_of(version))
    _store_field(state, at.SCOPE_DROPPED, row, at.F_SCOPE_DROPPED)
