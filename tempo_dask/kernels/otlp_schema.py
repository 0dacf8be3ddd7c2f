"""The fields of OTLP traces by number and wire type: what the walkers look for, all else being skipped.

A walker looks a tag up in the row of the message that it is in. Tags of 256 and above are in no row, since the
highest field number of OTLP traces is 16.
"""

from __future__ import annotations

from typing import Final

from tempo_dask.kernels.otlp_wire import BYTES, FIXED64, VARINT, constants

(TAGS,) = constants((256,))

# Messages. `UNKNOWN_GROUP` has no known fields; `ATTRIBUTE` is a KeyValue of an owner, `PAIR` one inside a value.
(
    UNKNOWN_GROUP,
    REQUEST,
    RESOURCE_SPANS,
    RESOURCE,
    SCOPE_SPANS,
    SCOPE,
    SPAN,
    EVENT,
    LINK,
    STATUS,
    ENTITY,
    ATTRIBUTE,
    ANY_VALUE,
    ARRAY,
    MAP,
    PAIR,
) = constants(range(16))
MESSAGES = 16


def tag(field: int, wire_type: int) -> int:
    """Return the tag of a field."""
    return constants((field << 3 | wire_type,))[0]


# Members of the oneof of AnyValue, by tag.
STRING_VALUE = tag(1, BYTES)
BOOL_VALUE = tag(2, VARINT)
INT_VALUE = tag(3, VARINT)
DOUBLE_VALUE = tag(4, FIXED64)
ARRAY_VALUE = tag(5, BYTES)
MAP_VALUE = tag(6, BYTES)
BYTES_VALUE = tag(7, BYTES)
STRING_INDEX_VALUE = tag(8, VARINT)

KEY = tag(1, BYTES)
VALUE = tag(2, BYTES)
ITEM = tag(1, BYTES)  # of ARRAY and MAP

#: Length-delimited fields that are messages: (message, field) -> message.
SUBMESSAGES: Final = {
    (REQUEST, 1): RESOURCE_SPANS,
    (RESOURCE_SPANS, 1): RESOURCE,
    (RESOURCE_SPANS, 2): SCOPE_SPANS,
    (RESOURCE, 1): ATTRIBUTE,
    (RESOURCE, 3): ENTITY,
    (SCOPE_SPANS, 1): SCOPE,
    (SCOPE_SPANS, 2): SPAN,
    (SCOPE, 3): ATTRIBUTE,
    (SPAN, 9): ATTRIBUTE,
    (SPAN, 11): EVENT,
    (SPAN, 13): LINK,
    (SPAN, 15): STATUS,
    (EVENT, 3): ATTRIBUTE,
    (LINK, 4): ATTRIBUTE,
    (ATTRIBUTE, 2): ANY_VALUE,
    (PAIR, 2): ANY_VALUE,
    (ANY_VALUE, 5): ARRAY,
    (ANY_VALUE, 6): MAP,
    (ARRAY, 1): ANY_VALUE,
    (MAP, 1): PAIR,
}

#: Length-delimited fields that are strings, so must be UTF-8.
STRINGS: Final = (
    (RESOURCE_SPANS, 3),
    (SCOPE_SPANS, 3),
    (SCOPE, 1),
    (SCOPE, 2),
    (SPAN, 3),
    (SPAN, 5),
    (EVENT, 2),
    (LINK, 3),
    (STATUS, 2),
    (ENTITY, 1),
    (ENTITY, 2),
    (ENTITY, 3),
    (ENTITY, 4),
    (ATTRIBUTE, 1),
    (PAIR, 1),
    (ANY_VALUE, 1),
)
