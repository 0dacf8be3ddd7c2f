"""Where a walk keeps fields and writes own columns, and what it does with each tag of each message."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from tempo_dask.kernels.otlp_schema import (
    ATTRIBUTE,
    ENTITY,
    EVENT,
    LINK,
    MESSAGES,
    RESOURCE,
    RESOURCE_SPANS,
    SCOPE,
    SCOPE_SPANS,
    SPAN,
    STATUS,
    SUBMESSAGES,
    TAGS,
    tag,
)
from tempo_dask.kernels.otlp_state import COLUMNS, FIELDS
from tempo_dask.kernels.otlp_wire import BYTES, FIXED32, FIXED64, VARINT, constants

# Own columns, in the order of the fields in `storage.columns`: places of their addresses in the state.
(
    SPAN_TRACE_ID,
    SPAN_ID,
    SPAN_PARENT_ID,
    SPAN_START,
    SPAN_DURATION,
    SPAN_NAME,
    SPAN_KIND,
    SPAN_STATUS,
    SPAN_STATUS_MESSAGE,
    SPAN_TRACE_STATE,
    SPAN_FLAGS,
    SPAN_DROPPED_ATTRIBUTES,
    SPAN_DROPPED_EVENTS,
    SPAN_DROPPED_LINKS,
    SPAN_RESOURCE,
    SPAN_SCOPE,
    RESOURCE_URL,
    RESOURCE_DROPPED,
    SCOPE_NAME,
    SCOPE_VERSION,
    SCOPE_URL,
    SCOPE_DROPPED,
    EVENT_SPAN,
    EVENT_TIME,
    EVENT_NAME,
    EVENT_DROPPED,
    LINK_SPAN,
    LINK_TRACE_ID,
    LINK_SPAN_ID,
    LINK_STATE,
    LINK_FLAGS,
    LINK_DROPPED,
) = constants(range(COLUMNS, COLUMNS + 32))

# Dictionaries of the own columns that are strings, in their order.
(
    NAMES,
    STATUS_MESSAGES,
    TRACE_STATES,
    RESOURCE_URLS,
    SCOPE_NAMES,
    SCOPE_VERSIONS,
    SCOPE_URLS,
    EVENT_NAMES,
    LINK_STATES,
) = constants(range(9))

# Fields of the message that is walked: numbers take one place, strings two (where they lie, how many bytes). What
# surrounds spans also notes the first span and the first piece of work within.
(RESOURCE_SPANS_FIELDS, SCOPE_SPANS_FIELDS, SPAN_FIELDS) = constants(range(FIELDS, FIELDS + 12, 4))
(F_TRACE_ID, F_SPAN_ID, F_PARENT_ID, F_TRACE_STATE, F_NAME, F_STATUS_MESSAGE) = constants(
    range(SPAN_FIELDS, SPAN_FIELDS + 12, 2)
)
(
    F_KIND,
    F_START,
    F_STOP,
    F_FLAGS,
    F_DROPPED_ATTRIBUTES,
    F_DROPPED_EVENTS,
    F_DROPPED_LINKS,
    F_STATUS,
    EVENT_FIELDS,
) = constants(range(SPAN_FIELDS + 12, SPAN_FIELDS + 21))
(F_EVENT_NAME, F_EVENT_TIME, F_EVENT_DROPPED, LINK_FIELDS) = constants(EVENT_FIELDS + i for i in (0, 2, 3, 4))
(F_LINK_TRACE_ID, F_LINK_SPAN_ID, F_LINK_STATE, F_LINK_FLAGS, F_LINK_DROPPED, F_RESOURCE_DROPPED) = constants(
    LINK_FIELDS + i for i in (0, 2, 4, 6, 7, 8)
)
(F_SCOPE_ROW, F_SCOPE_NAME, F_SCOPE_VERSION, F_SCOPE_DROPPED, FIELDS_END) = constants(
    F_RESOURCE_DROPPED + i for i in (1, 2, 4, 6, 7)
)

# What to do with a field; where to keep it, or the message to enter, stands in the bits above.
(SKIP, KEEP_SLICE, KEEP_VARINT, KEEP_FIXED64, KEEP_FIXED32, ENTER, STAGE, HOLD) = constants(range(8))
(WHAT_BITS,) = constants((3,))

_PLACES: Final = {
    (RESOURCE_SPANS, 3): (KEEP_SLICE, RESOURCE_SPANS_FIELDS),
    (SCOPE_SPANS, 3): (KEEP_SLICE, SCOPE_SPANS_FIELDS),
    (SPAN, 1): (KEEP_SLICE, F_TRACE_ID),
    (SPAN, 2): (KEEP_SLICE, F_SPAN_ID),
    (SPAN, 3): (KEEP_SLICE, F_TRACE_STATE),
    (SPAN, 4): (KEEP_SLICE, F_PARENT_ID),
    (SPAN, 5): (KEEP_SLICE, F_NAME),
    (SPAN, 6): (KEEP_VARINT, F_KIND),
    (SPAN, 7): (KEEP_FIXED64, F_START),
    (SPAN, 8): (KEEP_FIXED64, F_STOP),
    (SPAN, 10): (KEEP_VARINT, F_DROPPED_ATTRIBUTES),
    (SPAN, 12): (KEEP_VARINT, F_DROPPED_EVENTS),
    (SPAN, 14): (KEEP_VARINT, F_DROPPED_LINKS),
    (SPAN, 16): (KEEP_FIXED32, F_FLAGS),
    (STATUS, 2): (KEEP_SLICE, F_STATUS_MESSAGE),
    (STATUS, 3): (KEEP_VARINT, F_STATUS),
    (EVENT, 1): (KEEP_FIXED64, F_EVENT_TIME),
    (EVENT, 2): (KEEP_SLICE, F_EVENT_NAME),
    (EVENT, 4): (KEEP_VARINT, F_EVENT_DROPPED),
    (LINK, 1): (KEEP_SLICE, F_LINK_TRACE_ID),
    (LINK, 2): (KEEP_SLICE, F_LINK_SPAN_ID),
    (LINK, 3): (KEEP_SLICE, F_LINK_STATE),
    (LINK, 5): (KEEP_VARINT, F_LINK_DROPPED),
    (LINK, 6): (KEEP_FIXED32, F_LINK_FLAGS),
    (RESOURCE, 2): (KEEP_VARINT, F_RESOURCE_DROPPED),
    (SCOPE, 1): (KEEP_SLICE, F_SCOPE_NAME),
    (SCOPE, 2): (KEEP_SLICE, F_SCOPE_VERSION),
    (SCOPE, 4): (KEEP_VARINT, F_SCOPE_DROPPED),
}
_WIRE_TYPES: Final = {KEEP_SLICE: BYTES, KEEP_VARINT: VARINT, KEEP_FIXED64: FIXED64, KEEP_FIXED32: FIXED32}
_SPECIAL: Final = {ATTRIBUTE: STAGE, RESOURCE: HOLD, SCOPE: HOLD}


def _layout() -> npt.NDArray[np.uint16]:
    """Return what to do with each tag of each message."""
    table = np.zeros((MESSAGES, TAGS), np.uint16)
    for (message, field), inner in SUBMESSAGES.items():
        if message <= STATUS and inner != ENTITY:
            table[message, tag(field, BYTES)] = _SPECIAL.get(inner, ENTER) | inner << WHAT_BITS
    for (message, field), (what, place) in _PLACES.items():
        table[message, tag(field, _WIRE_TYPES[what])] = what | place << WHAT_BITS
    table.flags.writeable = False
    return table.reshape(-1)


LAYOUT: Final = _layout()
