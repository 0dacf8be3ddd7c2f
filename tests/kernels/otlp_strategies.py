"""Requests in wire form as Hypothesis draws them: right ones laid out in every way, and damaged ones."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KEYS = ("service.name", "http.status_code", "a", "", "schlüssel", "a.very.long.key.of.more.than.thirty.two.bytes", "λ")
UNKNOWN_FIELDS = (17, 20, 31, 32, 1000, (1 << 29) - 1)
DEEPEST = 9

texts = st.one_of(st.sampled_from(KEYS), st.text(max_size=40), st.text("ab", max_size=9))
varints = st.one_of(
    st.integers(0, 300),
    st.integers(0, (1 << 64) - 1),
    st.sampled_from((0, 1, 127, 128, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, (1 << 64) - 1)),
)


def varint(value: int, padding: int = 0) -> bytes:
    """Return a varint, longer than need be by `padding` bytes."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    for _ in range(padding):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def field(number: int, wire_type: int, payload: bytes) -> bytes:
    """Return a field; of length-delimited ones the payload comes without its length."""
    return varint(number << 3 | wire_type) + (varint(len(payload)) if wire_type == 2 else b"") + payload


def ids(size: int) -> st.SearchStrategy[bytes]:
    """Draw ids: mostly of the right size, few different ones, so that they meet again."""
    right = st.integers(1, 9).map(lambda n: n.to_bytes(size, "big"))
    return right | st.binary(min_size=size, max_size=size) | right | right


@st.composite
def unknown_fields(draw: st.DrawFn, depth: int = 0) -> bytes:
    """Draw a field that no message has, or one that it has, of another wire type."""
    number = draw(st.sampled_from(UNKNOWN_FIELDS))
    match draw(st.sampled_from((0, 1, 2, 3, 5))):
        case 0:
            return field(number, 0, varint(draw(varints)))
        case 1:
            return field(number, 1, draw(st.binary(min_size=8, max_size=8)))
        case 2:
            return field(number, 2, draw(st.binary(max_size=12)))
        case 3:
            inner = b"".join(draw(st.lists(unknown_fields(depth + 1), max_size=2 if depth < 3 else 0)))
            return field(number, 3, b"") + inner + field(number, 4, b"")
    return field(number, 5, draw(st.binary(min_size=4, max_size=4)))


@st.composite
def known_fields(draw: st.DrawFn, known: FieldDescriptor, depth: int) -> bytes:
    """Draw a field of a message."""
    if known.type == FieldDescriptor.TYPE_MESSAGE:
        return field(known.number, 2, draw(messages(known.message_type, depth + 1)))
    if known.type == FieldDescriptor.TYPE_BYTES:
        sizes = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
        return field(known.number, 2, draw(ids(sizes[known.name]) if known.name in sizes else st.binary(max_size=9)))
    if known.type == FieldDescriptor.TYPE_STRING:
        return field(known.number, 2, draw(texts).encode())
    if known.type in (FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_DOUBLE):
        return field(known.number, 1, draw(st.binary(min_size=8, max_size=8)))
    if known.type == FieldDescriptor.TYPE_FIXED32:
        return field(known.number, 5, draw(st.binary(min_size=4, max_size=4)))
    value = draw(varints)
    return field(known.number, 0, varint(value, draw(st.integers(0, 2)) if value < 1 << 49 else 0))


@st.composite
def messages(draw: st.DrawFn, kind: Descriptor, depth: int = 0) -> bytes:
    """Draw a message: its fields in any order, repeated, left out, with others between them.

    A span always begins with ids, so that most requests are accepted.
    """
    known = [f for f in kind.fields if depth < DEEPEST or f.type != FieldDescriptor.TYPE_MESSAGE]
    some = st.sampled_from(known).flatmap(lambda f: known_fields(f, depth)) if known else st.just(b"")
    parts = draw(st.lists(some | some | some | some | unknown_fields(), max_size=6 if depth > 2 else 3))
    if kind.name == "Span":
        parts[:0] = [field(1, 2, draw(ids(16))), field(2, 2, draw(ids(8)))]
    return b"".join(parts)


@st.composite
def plain_spans(draw: st.DrawFn) -> bytes:
    """Draw a span as encoders lay it out, with attributes of few keys and all types, events and links."""
    message: Any = ExportTraceServiceRequest().resource_spans.add().scope_spans.add().spans.add()
    message.trace_id, message.span_id = draw(ids(16)), draw(ids(8))
    message.parent_span_id = draw(ids(8) | st.just(b"") | st.just(bytes(8)))
    message.name = draw(texts)
    message.kind = draw(st.integers(-2, 7))
    message.start_time_unix_nano, message.end_time_unix_nano = draw(varints), draw(varints)
    message.status.code = draw(st.integers(0, 3))
    owners = [message, *(message.events.add() for _ in range(draw(st.integers(0, 2))))]
    owners += [message.links.add(trace_id=draw(ids(16))) for _ in range(draw(st.integers(0, 1)))]
    for owner in owners:
        for _ in range(draw(st.integers(0, 6))):
            pair = owner.attributes.add(key=draw(st.sampled_from(KEYS)))
            draw_value(draw, pair.value, 0)
    return bytes(message.SerializeToString())


def draw_value(draw: st.DrawFn, value: Any, depth: int) -> None:
    """Set an AnyValue to something, or to nothing."""
    kind = draw(st.sampled_from(("none", "str", "str", "int", "float", "bool", "bytes", "array", "map")))
    match kind:
        case "str":
            value.string_value = draw(texts)
        case "int":
            value.int_value = draw(st.integers(-(1 << 63), (1 << 63) - 1))
        case "float":
            value.double_value = draw(st.floats())
        case "bool":
            value.bool_value = draw(st.booleans())
        case "bytes":
            value.bytes_value = draw(st.binary(max_size=9))
        case "map" if depth < 3:
            value.kvlist_value.SetInParent()
            for key in draw(st.lists(st.sampled_from(KEYS), max_size=3)):
                draw_value(draw, value.kvlist_value.values.add(key=key).value, depth + 1)
        case "array" if depth < 3:
            draw_array(draw, value.array_value, depth)


def draw_array(draw: st.DrawFn, array: Any, depth: int) -> None:
    """Fill an array, half of the time with values of one type."""
    array.SetInParent()
    if draw(st.booleans()):
        name, items = draw(
            st.sampled_from(
                [
                    ("string_value", texts),
                    ("int_value", st.integers(-5, 5)),
                    ("double_value", st.floats()),
                    ("bool_value", st.booleans()),
                ]
            )
        )
        for item in draw(st.lists(items, max_size=4)):
            setattr(array.values.add(), name, item)
    else:
        for _ in range(draw(st.integers(0, 3))):
            draw_value(draw, array.values.add(), depth + 1)


@st.composite
def plain_requests(draw: st.DrawFn) -> bytes:
    """Draw a request as encoders lay it out; few resources and scopes, so that equal ones come again."""
    request = bytearray()
    for _ in range(draw(st.integers(0, 2))):
        scope_spans = b"".join(field(2, 2, span) for span in draw(st.lists(plain_spans(), max_size=3)))
        scope = field(1, 2, field(1, 2, draw(st.sampled_from((b"lib", b"other")))))
        resource = field(
            1, 2, field(1, 2, field(1, 2, b"host") + field(2, 2, field(1, 2, draw(st.sampled_from((b"a", b"b"))))))
        )
        url = field(3, 2, draw(st.sampled_from((b"", b"http://schema"))))
        request += field(1, 2, resource + field(2, 2, scope + scope_spans + url) + url)
    return bytes(request)


requests = messages(ExportTraceServiceRequest.DESCRIPTOR) | plain_requests()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a request, and damage it in a few places or cut it short."""
    body = bytearray(draw(requests))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        match draw(st.sampled_from(("set", "set", "insert", "delete", "cut"))):
            case "set" if at < len(body):
                body[at] = draw(st.integers(0, 255) | st.sampled_from((0, 3, 4, 0x0B, 0x0C, 0x7F, 0x80, 0xFF)))
            case "insert":
                body[at:at] = draw(st.binary(min_size=1, max_size=4))
            case "delete":
                del body[at : at + draw(st.integers(1, 9))]
            case "cut":
                del body[at:]
    return bytes(body)


groups = st.lists(requests | requests | damaged(), min_size=1, max_size=4)
