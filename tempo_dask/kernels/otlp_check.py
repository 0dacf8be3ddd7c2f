"""Checking a commit group of OTLP requests: wire form, ids, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels import otlp_schema as schema
from tempo_dask.kernels.otlp_schema import ATTRIBUTE, MESSAGES, REQUEST, SPAN, STRING_VALUE, TAGS, UNKNOWN_GROUP
from tempo_dask.kernels.otlp_values import place_of, plain_member, skip_plain, tag_of
from tempo_dask.kernels.otlp_wire import (
    BAD_FIELD_NUMBER,
    BAD_UTF8,
    BAD_WIRE_TYPE,
    BYTES,
    END_GROUP,
    FIRST_TAG,
    GROUP,
    LARGEST_LENGTH,
    LOW_32,
    OVERFLOW,
    STRAY_END_GROUP,
    TOO_DEEP,
    TRUNCATED,
    called,
    constants,
    inlined,
    is_ascii,
    is_utf8,
    load_8,
    load_64,
    read_u32,
    stay_apart,
)
from tempo_dask.kernels.signatures import I64, OUT_I64, U8

#: How deep messages and groups may lie in one another, as protobuf's own readers have it.
DEEPEST = 100

BAD_TRACE_ID, BAD_SPAN_ID = constants((-8, -9))  # ids of a wrong length do not decode
NO_TRACE_ID, NO_SPAN_ID = constants((-10, -11))  # absent ids decode, but are refused

#: Texts of errors, by number: what Tempo answers where its answers are known.
TEXTS: Final = {
    TRUNCATED: "unexpected EOF",
    OVERFLOW: "proto: integer overflow",
    BAD_WIRE_TYPE: "proto: illegal wireType",
    BAD_FIELD_NUMBER: "proto: illegal tag 0",
    STRAY_END_GROUP: "proto: unexpected end of group",
    TOO_DEEP: "proto: messages nested too deep",
    BAD_UTF8: "proto: string field contains invalid UTF-8",
    BAD_TRACE_ID: "unmarshal: invalid TraceID length",
    BAD_SPAN_ID: "unmarshal: invalid SpanID length",
    NO_TRACE_ID: "trace ids must be 128 bit, received 0 bits",
    NO_SPAN_ID: "span ids must be 64 bit and not all zero, received 0 bits",
}

# What to do with a field; from `_ENTER` on: enter the message `action - _ENTER`. Ids of traces have even numbers.
(_SKIP, _TEXT, _TRACE_ID, _SPAN_ID, _OTHER_TRACE_ID, _OTHER_SPAN_ID) = constants(range(6))
(_ENTER,) = constants((16,))


def _actions() -> npt.NDArray[np.uint8]:
    table = np.zeros((MESSAGES, TAGS), np.uint8)
    for (message, field), inner in schema.SUBMESSAGES.items():
        table[message, schema.tag(field, BYTES)] = _ENTER + inner
    for message, field in schema.STRINGS:
        table[message, schema.tag(field, BYTES)] = _TEXT
    ids = {
        (schema.SPAN, 1): _TRACE_ID,
        (schema.SPAN, 2): _SPAN_ID,
        (schema.SPAN, 4): _OTHER_SPAN_ID,
        (schema.LINK, 1): _OTHER_TRACE_ID,
        (schema.LINK, 2): _OTHER_SPAN_ID,
    }
    for (message, field), action in ids.items():
        table[message, schema.tag(field, BYTES)] = action
    table.flags.writeable = False
    return table.reshape(-1)


_ACTIONS = _actions()


@inlined
def _is_absent(at: int, size: int) -> bool:
    """Return whether an id of 0, 8 or 16 bytes is empty or all zero."""
    return size == 0 or (load_64(at) | load_64(at + size - 8)) == 0


@inlined
def _id_error(action: int, size: int) -> int:
    """Return what is wrong with the size of an id, 0 if nothing is."""
    is_trace_id = action & 1 == 0
    if size == 0 or size == (16 if is_trace_id else 8):
        return 0
    return BAD_TRACE_ID if is_trace_id else BAD_SPAN_ID


@inlined
def _is_text(at: int, size: int) -> bool:
    return is_ascii(at, size) or is_utf8(at, size)


@inlined
def _are_texts(at: int, end: int, member: int) -> bool:
    """Return whether the key of a plain KeyValue is text, and its value where it is a string."""
    if not _is_text(at + 2, load_8(at + 1)):
        return False
    if tag_of(member) != STRING_VALUE:
        return True
    place = place_of(member)
    first = place + (2 if load_8(place) >= 0x80 else 1)
    return _is_text(first, end - first)


@inlined
def _push(stack: Any, depth: int, message: int, end: int, tag: int) -> None:
    stack[depth, 0] = message
    stack[depth, 1] = end
    stack[depth, 2] = tag


@called
def _check_body(at: int, end: int, actions: Any, stack: Any, counts: Any) -> int:
    """Return 0 for a request that is accepted, else an error; add to `counts` the messages entered, by kind.

    `stack` holds for each message around this one its kind, its end and the tag that led here.
    """
    stay_apart()
    message = REQUEST
    depth = 0
    refusal = 0
    no_trace_id = no_span_id = True
    while True:
        if at == end:
            if message == UNKNOWN_GROUP:
                return TRUNCATED
            if message == SPAN and refusal == 0:
                refusal = NO_TRACE_ID if no_trace_id else NO_SPAN_ID if no_span_id else 0
            if depth == 0:
                return refusal
            depth -= 1
            message = stack[depth, 0]
            end = stack[depth, 1]
            continue

        head = read_u32(at, end)
        if head < 0:
            return head
        at += head >> 32
        tag = head & LOW_32
        wire_type = tag & 7
        if tag < FIRST_TAG and message != UNKNOWN_GROUP:
            return BAD_FIELD_NUMBER
        if wire_type == GROUP:
            if depth == DEEPEST:
                return TOO_DEEP
            _push(stack, depth, message, end, tag)
            depth += 1
            message = UNKNOWN_GROUP
            continue
        if wire_type == END_GROUP:
            if message != UNKNOWN_GROUP or stack[depth - 1, 2] != tag - END_GROUP + GROUP:
                return STRAY_END_GROUP
            depth -= 1
            message = stack[depth, 0]
            end = stack[depth, 1]
            continue
        stop = skip_plain(at, end, wire_type)
        if stop < 0:
            return stop
        action = actions[message * TAGS + tag] if tag < TAGS else _SKIP
        if action != _SKIP:
            at += read_u32(at, end) >> 32
            size = stop - at
            if action == _ENTER + ATTRIBUTE:
                member = plain_member(at, stop)
                if member != 0:
                    if not _are_texts(at, stop, member):
                        return BAD_UTF8
                    counts[ATTRIBUTE] += 1
                    at = stop
                    continue
            if action >= _ENTER:
                if depth == DEEPEST:
                    return TOO_DEEP
                _push(stack, depth, message, end, tag)
                depth += 1
                message = action - _ENTER
                end = stop
                counts[message] += 1
                if message == SPAN:
                    no_trace_id = no_span_id = True
                continue
            if action == _TEXT:
                if not _is_text(at, size):
                    return BAD_UTF8
            elif _id_error(action, size) != 0:
                return _id_error(action, size)
            elif action == _TRACE_ID:
                no_trace_id = _is_absent(at, size)
            elif action == _SPAN_ID:
                no_span_id = _is_absent(at, size)
        at = stop


@njit(types.void(U8, I64, U8, OUT_I64, OUT_I64, OUT_I64), cache=True, nogil=True, error_model="numpy")
def _check_group(data: Any, bounds: Any, actions: Any, errors: Any, spans: Any, counts: Any) -> None:
    base = np.int64(data.ctypes.data)
    stack = np.empty((DEEPEST, 3), np.int64)
    for body in range(errors.size):
        before = counts[SPAN]
        errors[body] = _check_body(base + bounds[body], base + bounds[body + 1], actions, stack, counts)
        spans[body] = counts[SPAN] - before


@dataclass(frozen=True, slots=True)
class Group:
    """Requests laid end to end: request i is `data[bounds[i]:bounds[i + 1]]`."""

    data: npt.NDArray[np.uint8]
    bounds: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found: per request an error (0: none) and the number of spans, in all the messages of each kind."""

    errors: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


def join(bodies: Sequence[bytes]) -> Group:
    """Lay the bodies of requests end to end. Raises ValueError for 2 GiB and more: offsets have 31 bits."""
    bounds = np.zeros(len(bodies) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, bodies), np.int64, len(bodies)), out=bounds[1:])
    if bounds[-1] > LARGEST_LENGTH:
        msg = f"a group of requests has {bounds[-1]} bytes, more than {LARGEST_LENGTH}"
        raise ValueError(msg)
    joined = bodies[0] if len(bodies) == 1 else b"".join(bodies)
    return Group(np.frombuffer(joined, np.uint8), bounds)


def check_group(group: Group) -> Findings:
    """Check every request of a group."""
    size = group.bounds.size - 1
    findings = Findings(np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(MESSAGES, np.int64))
    _check_group(group.data, group.bounds, _ACTIONS, findings.errors, findings.spans, findings.counts)
    return findings
