"""Sizes in a request that was checked: of each span with its trace, and of keys and texts of attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels import otlp_schema as schema
from tempo_dask.kernels.otlp_schema import ANY_VALUE, ATTRIBUTE, MESSAGES, REQUEST, TAGS
from tempo_dask.kernels.otlp_values import skip
from tempo_dask.kernels.otlp_wire import (
    BYTES,
    FIRST_TAG,
    LOW_32,
    TOO_DEEP,
    called,
    constants,
    load_64,
    read_u32,
    stay_apart,
)
from tempo_dask.kernels.signatures import U8

# Columns of the rows of spans.
HIGH, LOW, SIZE, BATCH, SHARED = constants(range(5))
ROW_WORDS = 5

_RESOURCE_SPANS, _SCOPE_SPANS, _SPAN, _TRACE_ID = (schema.tag(field, BYTES) for field in (1, 2, 2, 1))
_ROWS: Final = types.Array(types.int64, 2, "C")
#: Attributes lie six messages deep at most: request, resource spans, scope spans, span, event, attribute.
_DEEPEST = 8
_ENTER, _MEASURE = constants((16, 1))


@called
def _add_span(at: int, end: int, rows: Any, count: int) -> int:
    """Note the trace of a span, the last id in it counting; return 0 or an error."""
    stay_apart()
    while at < end:
        head = read_u32(at, end)
        if head < 0:
            return head
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag)
        if stop < 0:
            return stop
        if tag == _TRACE_ID and stop - at >= 16:
            rows[count, HIGH] = load_64(stop - 16)
            rows[count, LOW] = load_64(stop - 8)
        at = stop
    return 0


@called
def _add_spans(at: int, end: int, field: int, rows: Any, count: int) -> int:
    """Note the spans of a scope, whose field begins at `field`; return how many there are now, or an error."""
    stay_apart()
    first = count
    shared = end - field
    while at < end:
        start = at
        head = read_u32(at, end)
        if head < 0:
            return head
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag)
        if stop < 0:
            return stop
        if tag == _SPAN:
            if count == rows.shape[0]:
                return TOO_DEEP
            rows[count, SIZE] = stop - start
            rows[count, BATCH] = first
            shared -= stop - start
            error = _add_span(at + (read_u32(at, end) >> 32), stop, rows, count)
            if error < 0:
                return error
            count += 1
        at = stop
    for row in range(first, count):
        rows[row, SHARED] = shared
    return count


@called
def _add_scopes(at: int, end: int, field: int, rows: Any, count: int) -> int:
    """Note the spans of a resource, whose field begins at `field`; return how many there are now, or an error."""
    stay_apart()
    first = count
    shared = end - field
    while at < end:
        start = at
        head = read_u32(at, end)
        if head < 0:
            return head
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag)
        if stop < 0:
            return stop
        if tag == _SCOPE_SPANS:
            shared -= stop - start
            count = _add_spans(at + (read_u32(at, end) >> 32), stop, start, rows, count)
            if count < 0:
                return count
        at = stop
    for row in range(first, count):
        rows[row, SHARED] += shared
    return count


@njit(types.int64(U8, _ROWS), cache=True, nogil=True, error_model="numpy")
def _list_spans(data: Any, rows: Any) -> Any:
    at: Any = np.int64(data.ctypes.data)
    end = at + data.size
    count: Any = np.int64(0)
    while at < end:
        start = at
        head = read_u32(at, end)
        if head < 0:
            return head
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag)
        if stop < 0:
            return stop
        if tag == _RESOURCE_SPANS:
            count = _add_scopes(at + (read_u32(at, end) >> 32), stop, start, rows, count)
            if count < 0:
                return count
        at = stop
    return count


def _actions() -> npt.NDArray[np.uint8]:
    """Return what to do with a field: enter the message that leads to attributes, or measure a text of one."""
    table = np.zeros((MESSAGES, TAGS), np.uint8)
    for (message, field), inner in schema.SUBMESSAGES.items():
        if message not in (ANY_VALUE, schema.ARRAY, schema.MAP, schema.PAIR) and inner != schema.ENTITY:
            table[message, schema.tag(field, BYTES)] = _ENTER + inner
    table[ATTRIBUTE, schema.KEY] = _MEASURE
    table[ANY_VALUE, schema.STRING_VALUE] = _MEASURE
    table.flags.writeable = False
    return table.reshape(-1)


_ACTIONS: Final = _actions()


@njit(types.int64(U8, U8, types.int64), cache=True, nogil=True, error_model="numpy")
def _count_longer(data: Any, actions: Any, limit: int) -> int:
    at: Any = np.int64(data.ctypes.data)
    end = at + data.size
    stack = np.empty((_DEEPEST, 2), np.int64)
    depth = 0
    message = REQUEST
    found = 0
    while True:
        if at >= end:
            if depth == 0:
                return found
            depth -= 1
            message = stack[depth, 0]
            end = stack[depth, 1]
            continue
        head = read_u32(at, end)
        if head < 0:
            return head
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag) if tag >= FIRST_TAG else TOO_DEEP
        if stop < 0:
            return stop
        action = actions[message * TAGS + tag] if tag < TAGS else 0
        if action == _MEASURE:
            found += stop - at - (read_u32(at, end) >> 32) > limit
        if action < _ENTER:
            at = stop
            continue
        if depth == _DEEPEST:
            return TOO_DEEP
        at += read_u32(at, end) >> 32
        stack[depth, 0] = message
        stack[depth, 1] = end
        depth += 1
        message = action - _ENTER
        end = stop


@dataclass(frozen=True, slots=True)
class TraceSizes:
    """The traces of a request: ids as pairs of int64 (n, 2), bytes and spans of each.

    A trace's bytes are those of its spans, and of the resources and scopes that they share with others.
    """

    ids: npt.NDArray[np.int64]
    size_bytes: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int64]


def trace_sizes(body: bytes, spans: int) -> TraceSizes:
    """Return the sizes of the traces in a request that was checked and has so many spans. Raises ValueError."""
    rows = np.zeros((spans, ROW_WORDS), np.int64)
    if _list_spans(np.frombuffer(body, np.uint8), rows) != spans:
        msg = f"expected a request with {spans} spans that was checked"
        raise ValueError(msg)
    ids, trace = np.unique(rows[:, : LOW + 1], axis=0, return_inverse=True)
    size_bytes = np.bincount(trace, rows[:, SIZE], len(ids)).astype(np.int64)
    pairs = np.unique(np.stack([trace, rows[:, BATCH], rows[:, SHARED]]), axis=1)
    size_bytes += np.bincount(pairs[0], pairs[2], len(ids)).astype(np.int64)
    return TraceSizes(ids, size_bytes, np.bincount(trace, minlength=len(ids)))


def count_longer(body: bytes, limit: int) -> int:
    """Return how many keys and texts of attributes have more than `limit` bytes in a request that was checked."""
    return max(int(_count_longer(np.frombuffer(body, np.uint8), _ACTIONS, limit)), 0)
