"""Attributes in wire form: which value counts, of what type it is, where it lies.

These readers walk requests that `otlp_check` has accepted. They look at `end` all the same and stop there, so a
request that was not checked gives nonsense, not an access outside its buffer.
"""

from __future__ import annotations

from tempo_dask.kernels.otlp_schema import (
    ARRAY_VALUE,
    BOOL_VALUE,
    BYTES_VALUE,
    DOUBLE_VALUE,
    INT_VALUE,
    ITEM,
    KEY,
    MAP_VALUE,
    STRING_INDEX_VALUE,
    STRING_VALUE,
    VALUE,
)
from tempo_dask.kernels.otlp_wire import (
    BAD_WIRE_TYPE,
    BYTES,
    END_GROUP,
    FIXED32,
    FIXED64,
    GROUP,
    LARGEST_LENGTH,
    LOW_32,
    OVERFLOW,
    TRUNCATED,
    VARINT,
    called,
    constants,
    copy,
    inlined,
    load_8,
    read_u32,
    stay_apart,
    varint_end,
)

#: Types of values, in the order of `storage.columns.TypeName`; what has no column is OTHER.
STR, INT, FLOAT, BOOL, STRS, INTS, FLOATS, BOOLS, OTHER = constants(range(9))
(COLUMN_TYPES,) = constants((8,))

#: A bit for each tag of a member of AnyValue's oneof but the last one.
(_MEMBERS,) = constants(
    (sum(1 << t for t in (STRING_VALUE, BOOL_VALUE, INT_VALUE, DOUBLE_VALUE, ARRAY_VALUE, MAP_VALUE, BYTES_VALUE)),)
)

# A member is where the value of an AnyValue lies behind its tag (48 bits), the tag, and whether others came before.
_TAG_SHIFT, _REPEATED, _ADDRESS = constants((48, 1 << 56, (1 << 48) - 1))


@called
def _skip_group(at: int, end: int) -> int:
    stay_apart()
    depth = 1
    while depth > 0:
        head = read_u32(at, end)
        if head < 0:
            return head
        at += head >> 32
        wire_type = head & 7
        if wire_type == GROUP:
            depth += 1
        elif wire_type == END_GROUP:
            depth -= 1
        else:
            at = skip_plain(at, end, wire_type)
            if at < 0:
                return at
    return at


@inlined
def skip_plain(at: int, end: int, wire_type: int) -> int:
    """Return where a field that is no group ends, or an error where it does not end before `end`."""
    if wire_type == BYTES:
        head = read_u32(at, end)
        if head < 0:
            return head
        if head & LOW_32 > LARGEST_LENGTH:
            return OVERFLOW
        stop = at + (head >> 32) + (head & LOW_32)
    elif wire_type == VARINT:
        stop = varint_end(at, end)
    elif wire_type == FIXED64:
        stop = at + 8
    elif wire_type == FIXED32:
        stop = at + 4
    else:
        return BAD_WIRE_TYPE
    return stop if stop <= end else TRUNCATED


@inlined
def skip(at: int, end: int, tag: int) -> int:
    """Return where the field behind `tag` ends, or an error where it does not end before `end`."""
    if tag & 7 == GROUP:
        return _skip_group(at, end)
    return skip_plain(at, end, tag & 7)


@inlined
def tag_of(member: int) -> int:
    """Return the tag of a member, 0 if there is none."""
    return member >> _TAG_SHIFT & 0xFF


@inlined
def place_of(member: int) -> int:
    """Return where the value of a member lies."""
    return member & _ADDRESS


@inlined
def find_member(at: int, end: int, member: int) -> int:
    """Return the member that an AnyValue is set to, or `member` if to none: the last in the wire counts."""
    while at < end:
        head = read_u32(at, end)
        if head < 0:
            return member
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag)
        if stop < 0:
            return member
        if tag <= STRING_INDEX_VALUE and (tag == STRING_INDEX_VALUE or _MEMBERS >> tag & 1):
            repeated = _REPEATED if member != 0 else 0
            member = at | tag << _TAG_SHIFT | repeated
        at = stop
    return member


@inlined
def _short_size(at: int, end: int) -> int:
    """Return a length below 2**14 in the low half and its size in the high half; negative where it is not one."""
    size = load_8(at)
    if size < 0x80:
        return size | 1 << 32
    more = load_8(at + 1) if at + 1 < end else 0x80
    return size & 0x7F | more << 7 | 2 << 32 if more < 0x80 else -1


@inlined
def plain_member(at: int, end: int) -> int:
    """Return the member of a KeyValue laid out as encoders do, 0 for any other, which may be right all the same.

    That is a key of less than 128 bytes, then a value that is a string, a number or a bool, and nothing else.
    """
    if end - at < 6 or load_8(at) != KEY or load_8(at + 1) >= 0x80:
        return 0
    value = at + 2 + load_8(at + 1)
    if end - value < 4 or load_8(value) != VALUE:
        return 0
    head = _short_size(value + 1, end)
    place = value + 1 + (head >> 32)
    if head < 0 or end - place < 2 or place + (head & LOW_32) != end:
        return 0
    tag = load_8(place)
    place += 1
    if tag == STRING_VALUE:
        head = _short_size(place, end)
        is_plain = head >= 0 and place + (head >> 32) + (head & LOW_32) == end
    elif tag == DOUBLE_VALUE:
        is_plain = place + 8 == end
    elif tag == INT_VALUE:
        is_plain = varint_end(place, end) == end
    else:
        is_plain = tag == BOOL_VALUE and varint_end(place, end) == end
    return place | tag << _TAG_SHIFT if is_plain else 0


@called
def attribute_member(at: int, end: int) -> int:
    """Return the member that the value of a KeyValue is set to, 0 if to none."""
    stay_apart()
    member = 0
    while at < end:
        head = read_u32(at, end)
        if head < 0:
            return member
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag)
        if stop < 0:
            return member
        if tag == VALUE:
            member = find_member(at + (read_u32(at, end) >> 32), stop, member)
        at = stop
    return member


@inlined
def _type_of_tag(tag: int) -> int:
    if tag == STRING_VALUE:
        return STR
    if tag == INT_VALUE:
        return INT
    if tag == DOUBLE_VALUE:
        return FLOAT
    if tag == BOOL_VALUE:
        return BOOL
    return OTHER


@called
def _type_of_array(at: int, end: int) -> int:
    """Return the type of a column for an array: one of lists where all items are of one plain type, else OTHER."""
    stay_apart()
    found = -1
    while at < end:
        head = read_u32(at, end)
        if head < 0:
            return OTHER
        at += head >> 32
        tag = head & LOW_32
        stop = skip(at, end, tag)
        if stop < 0:
            return OTHER
        if tag == ITEM:
            item = _type_of_tag(tag_of(find_member(at + (read_u32(at, end) >> 32), stop, 0)))
            if item == OTHER or (found >= 0 and item != found):
                return OTHER
            found = item
        at = stop
    return OTHER if found < 0 else found + STRS


@inlined
def type_of(member: int, end: int) -> int:
    """Return the type of column that the value of a member takes; arrays laid down in parts take none."""
    tag = tag_of(member)
    if tag == ARRAY_VALUE and member & _REPEATED == 0:
        head = read_u32(place_of(member), end)
        first = place_of(member) + (head >> 32)
        return _type_of_array(first, first + (head & LOW_32))
    return _type_of_tag(tag)


@called
def other_size(at: int, end: int) -> int:
    """Return how many bytes the AnyValues of a KeyValue have together."""
    stay_apart()
    total = 0
    while at < end:
        head = read_u32(at, end)
        if head < 0:
            return total
        at += head >> 32
        stop = skip(at, end, head & LOW_32)
        if stop < 0:
            return total
        if head & LOW_32 == VALUE:
            total += read_u32(at, end) & LOW_32
        at = stop
    return total


@called
def copy_other(to: int, at: int, end: int) -> None:
    """Write the AnyValues of a KeyValue one after another: in protobuf that is the AnyValue they make together."""
    stay_apart()
    while at < end:
        head = read_u32(at, end)
        if head < 0:
            return
        at += head >> 32
        stop = skip(at, end, head & LOW_32)
        if stop < 0:
            return
        if head & LOW_32 == VALUE:
            size = read_u32(at, end) & LOW_32
            copy(to, stop - size, size)
            to += size
        at = stop
