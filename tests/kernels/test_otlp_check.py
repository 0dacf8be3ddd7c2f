"""Which requests are accepted, and what the others are told."""

from __future__ import annotations

import pytest

from tempo_dask.kernels import otlp_check
from tempo_dask.kernels.otlp import Verdict, check
from tests.kernels.otlp_strategies import field, varint
from tests.otlp_oracle import verdict

TRACE_ID = field(1, 2, bytes(range(16)))
SPAN_ID = field(2, 2, bytes(range(1, 9)))
NO_TRACE = "trace ids must be 128 bit, received 0 bits"
NO_SPAN = "span ids must be 64 bit and not all zero, received 0 bits"
BAD_TRACE = "unmarshal: invalid TraceID length"
BAD_SPAN = "unmarshal: invalid SpanID length"


def request(*spans: bytes) -> bytes:
    """Return a request of spans in one scope."""
    return field(1, 2, field(2, 2, b"".join(field(2, 2, span) for span in spans)))


def attribute(value: bytes) -> bytes:
    """Return a request of one span with one attribute, whose AnyValue is given."""
    return request(TRACE_ID + SPAN_ID + field(9, 2, field(1, 2, b"key") + field(2, 2, value)))


def nested(depth: int) -> bytes:
    """Return a request whose deepest message lies in `depth` others."""
    value = b""
    for _ in range((depth - 5) // 2):
        value = field(5, 2, field(1, 2, value))
    return attribute(value)


def groups(depth: int) -> bytes:
    """Return unknown groups in one another."""
    return field(20, 3, b"") * depth + field(20, 4, b"") * depth


IDS = {
    "both there": (TRACE_ID + SPAN_ID, None, False),
    "no trace id": (SPAN_ID, NO_TRACE, False),
    "no span id": (TRACE_ID, NO_SPAN, False),
    "empty trace id": (SPAN_ID + field(1, 2, b""), NO_TRACE, False),
    "trace id of zeros": (SPAN_ID + field(1, 2, bytes(16)), NO_TRACE, False),
    "span id of zeros": (TRACE_ID + field(2, 2, bytes(8)), NO_SPAN, False),
    "trace id of 8 bytes": (SPAN_ID + field(1, 2, bytes(8)), BAD_TRACE, True),
    "trace id of 17 bytes": (SPAN_ID + field(1, 2, bytes(17)), BAD_TRACE, True),
    "span id of 4 bytes": (TRACE_ID + field(2, 2, bytes(4)), BAD_SPAN, True),
    "parent of 7 bytes": (TRACE_ID + SPAN_ID + field(4, 2, bytes(7)), BAD_SPAN, True),
    "parent of zeros": (TRACE_ID + SPAN_ID + field(4, 2, bytes(8)), None, False),
    "last trace id counts": (TRACE_ID + SPAN_ID + field(1, 2, b""), NO_TRACE, False),
    "a replaced id must be right too": (field(1, 2, b"x") + TRACE_ID + SPAN_ID, BAD_TRACE, True),
    "link without ids": (TRACE_ID + SPAN_ID + field(13, 2, b""), None, False),
    "link with a short trace id": (TRACE_ID + SPAN_ID + field(13, 2, field(1, 2, b"x")), BAD_TRACE, True),
    "link with a short span id": (TRACE_ID + SPAN_ID + field(13, 2, field(2, 2, b"x")), BAD_SPAN, True),
    "ids of another wire type": (TRACE_ID + SPAN_ID + field(1, 0, b"\x05"), None, False),
}


@pytest.mark.parametrize("name", IDS)
def test_ids_are_held_to_their_lengths(name: str) -> None:
    span, error, malformed = IDS[name]
    assert check([request(span)]) == (Verdict(error, malformed, spans=int(not malformed)),)
    assert verdict(request(span)) == (error, malformed, int(not malformed))


def test_the_first_span_with_a_bad_id_says_why() -> None:
    body = request(TRACE_ID + SPAN_ID, TRACE_ID, SPAN_ID)
    assert check([body]) == (Verdict(NO_SPAN, malformed=False, spans=3),)


def test_what_does_not_decode_goes_before_what_is_refused() -> None:
    body = request(SPAN_ID) + field(1, 2, b"\xff")
    assert check([body]) == (Verdict("unexpected EOF", malformed=True, spans=0),)


def test_one_bad_request_leaves_the_others_of_its_group_alone() -> None:
    good = request(TRACE_ID + SPAN_ID, TRACE_ID + SPAN_ID)
    verdicts = check([good, good[:-1], b"", request(b""), good])
    assert [v.error for v in verdicts] == [None, "unexpected EOF", None, NO_TRACE, None]
    assert [v.spans for v in verdicts] == [2, 0, 0, 1, 2]


def test_a_group_of_more_than_31_bits_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_check, "LARGEST_LENGTH", 100)
    with pytest.raises(ValueError, match="a group of requests has 101 bytes"):
        check([bytes(60), bytes(41)])


def test_a_group_of_nothing_has_no_verdicts() -> None:
    assert check([]) == ()


WIRE = {
    "empty": b"",
    "only unknown fields": b"\x28\x01\x29" + bytes(8) + b"\x2a\x01x\x2d" + bytes(4),
    "field number 0": b"\x00\x01",
    "field number 0 in a group": field(20, 3, b"") + b"\x00\x01" + field(20, 4, b""),
    "wire type 6": b"\x0e",
    "wire type 7": b"\x0f",
    "end of no group": b"\x0c",
    "group of nothing": b"\x0b\x0c",
    "group without an end": b"\x0b",
    "group ended by another": b"\x0b\x14",
    "group that ends behind its message": field(1, 2, b"\x0b") + b"\x0c",
    "groups 100 deep": groups(100),
    "groups 101 deep": groups(101),
    "group in a message": field(1, 2, groups(99)),
    "group too deep in a message": field(1, 2, groups(100)),
    "tag of five bytes": varint(5 << 3, 3) + b"\x00",
    "tag of six bytes": varint(5 << 3, 5) + b"\x00",
    "tag of 32 bits": varint(((1 << 29) - 1) << 3) + b"\x00",
    "tag of 33 bits": varint(1 << 32) + b"\x00",
    "varint of ten bytes": b"\x28" + b"\xff" * 9 + b"\x7f",
    "varint of eleven bytes": b"\x28" + b"\xff" * 10 + b"\x00",
    "padded length": b"\x2a" + varint(0, 4),
    "length of six bytes": b"\x2a" + varint(0, 5),
    "length beyond the end": b"\x2a\x05x",
    "length of 2 GiB": b"\x2a" + varint(1 << 31),
    "length of 4 GiB": b"\x2a" + varint((1 << 32) - 1),
    "length of 2**63": b"\x2a" + varint(1 << 63),
    "cut in a tag": b"\xa8",
    "cut in a varint": b"\x28\x80",
    "cut in 64 bits": b"\x29" + bytes(7),
    "cut in 32 bits": b"\x2d" + bytes(3),
    "key that is not UTF-8": request(TRACE_ID + SPAN_ID + field(9, 2, field(1, 2, b"\xff"))),
    "plain value that is not UTF-8": attribute(field(1, 2, b"12345678\xff")),
    "replaced string that is not UTF-8": attribute(field(1, 2, b"\xff") + field(1, 2, b"x")),
    "surrogate": attribute(field(1, 2, b"\xed\xa0\x80")),
    "overlong": attribute(field(1, 2, b"\xc0\x80")),
    "overlong of three bytes": attribute(field(1, 2, b"\xe0\x80\x80")),
    "overlong of four bytes": attribute(field(1, 2, b"\xf0\x8f\xbf\xbf")),
    "above U+10FFFF": attribute(field(1, 2, b"\xf4\x90\x80\x80")),
    "cut character": attribute(field(1, 2, b"ab\xf0\x9f\x98")),
    "zero byte and emoji": attribute(field(1, 2, b"\x00\xf0\x9f\x98\x80")),
    "bytes that are not UTF-8": attribute(field(7, 2, b"\xff")),
    "string in an unknown field": request(TRACE_ID + SPAN_ID + field(30, 2, b"\xff")),
    "entity that is not UTF-8": field(1, 2, field(1, 2, field(3, 2, field(1, 2, b"\xff")))),
    "messages 99 deep": nested(99),
    "messages 101 deep": nested(101),
    "key of 200 bytes": request(
        TRACE_ID + SPAN_ID + field(9, 2, field(1, 2, b"k" * 200) + field(2, 2, field(3, 0, b"\x01")))
    ),
    "value of 20,000 bytes": attribute(field(1, 2, b"v" * 20_000)),
    "known field of another wire type": b"\x08\x01\x0d" + bytes(4),
}


@pytest.mark.parametrize("name", WIRE)
def test_the_wire_form_is_taken_as_upb_takes_it(name: str) -> None:
    (told,) = check([WIRE[name]])
    error, malformed, spans = verdict(WIRE[name])
    assert (told.malformed, told.spans) == (malformed, spans)
    assert (told.error is None) == (error is None)


def test_both_kinds_of_wire_form_are_tried() -> None:
    refused = sum(verdict(body)[1] for body in WIRE.values())
    assert 25 <= refused <= len(WIRE) - 15
