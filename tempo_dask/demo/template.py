"""A recorded trace as bytes with holes: filling the holes makes another trace of the same shape, as fast as copying.

A template is the encoded spans of one trace, one after another, each with its field tag and length, as they stand in a
`ScopeSpans`. What differs from copy to copy has a fixed width in protobuf: ids (16 and 8 bytes), times (fixed64) and
a few texts of eight bytes. They are encoded as markers, found once, and overwritten in every copy.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from tempo_dask.demo.recorder import Recorded, Recorder
from tempo_dask.demo.values import FRESH_TEXTS, key_values

Bytes = NDArray[np.uint8]
Positions = NDArray[np.intp]

SAMPLED = 0x001
PARENT_IS_KNOWN = 0x100
PARENT_IS_REMOTE = 0x200

# A marker: three bytes that start no UTF-8 text, a letter for what it stands for, and a number.
_MARKER = struct.Struct(">3scI")
_PREFIX = b"\xfe\xfd\xfc"
_FOUND = re.compile(rb"\xfe\xfd\xfc(.)(.{4})|(" + b"|".join(text.encode() for text in FRESH_TEXTS) + rb")", re.DOTALL)
_TEXT_NUMBER = {text.encode(): number for number, text in enumerate(FRESH_TEXTS)}


@dataclass(frozen=True, slots=True)
class Holes:
    """Places of equal width: `at` (holes, width) positions in the template, `number` (holes,) what belongs there."""

    at: Positions
    number: Positions


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes [start, stop) of a template: the spans that one scope of one service recorded."""

    service: int
    scope: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Filling:
    """What fills the holes of one copy: ids (16,), (spans, 8), texts (texts, 8), links (links, 24)."""

    trace_id: Bytes
    span_ids: Bytes
    texts: Bytes
    links: Bytes
    start_ns: int
    stretch: float


@dataclass(frozen=True, slots=True)
class Template:
    """A trace to copy: its bytes, the holes in them, and times in nanoseconds after its start."""

    data: Bytes
    pieces: tuple[Piece, ...]
    traces: Holes
    ids: Holes
    times: Holes
    texts: Holes
    linked_traces: Holes
    linked_spans: Holes
    after_ns: NDArray[np.int64]
    spans: int
    links: int
    length_ns: int
    published: int | None

    def fill(self, filling: Filling) -> bytes:
        """Return the bytes of one copy; every time after the start is stretched by one factor, so spans stay nested."""
        data = self.data.copy()
        data[self.traces.at] = filling.trace_id
        data[self.ids.at] = filling.span_ids[self.ids.number]
        times = filling.start_ns + (self.after_ns * filling.stretch).astype("<i8")
        data[self.times.at] = times.view(np.uint8).reshape(-1, 8)[self.times.number]
        data[self.texts.at] = filling.texts[self.texts.number]
        if self.links:
            data[self.linked_traces.at] = filling.links[self.linked_traces.number, :16]
            data[self.linked_spans.at] = filling.links[self.linked_spans.number, 16:]
        return data.tobytes()


def make_template(recorder: Recorder) -> Template:
    """Return a recorded trace as a template."""
    order = sorted(range(len(recorder.spans)), key=lambda number: _place(recorder.spans[number]))
    encoder = _Encoder(recorder.spans)
    pieces, body = [], bytearray()
    for (service, scope), numbers in groupby(order, key=lambda number: _place(recorder.spans[number])):
        start = len(body)
        body += encoder.encode(numbers)
        pieces.append(Piece(service, scope, start, len(body)))
    holes = _find_holes(bytes(body))
    return Template(
        data=np.frombuffer(bytes(body), np.uint8),
        pieces=tuple(pieces),
        traces=_holes(holes["t"], 16),
        ids=_holes(holes["i"], 8),
        times=_holes(holes["n"], 8),
        texts=_holes(holes["x"], 8),
        linked_traces=_holes(holes["T"], 16),
        linked_spans=_holes(holes["I"], 8),
        after_ns=np.array(encoder.after_ns, np.int64),
        spans=len(recorder.spans),
        links=sum(span.links for span in recorder.spans),
        length_ns=max(span.end_ns for span in recorder.spans),
        published=recorder.published,
    )


def _place(span: Recorded) -> tuple[int, int]:
    return span.service, span.scope


def _marker(letter: str, number: int) -> bytes:
    return _MARKER.pack(_PREFIX, letter.encode(), number)


class _Encoder:
    """Encodes recorded spans with markers for what a copy replaces; `after_ns` is the time of each time marker."""

    def __init__(self, spans: list[Recorded]) -> None:
        self.spans = spans
        self.after_ns: list[int] = []
        self._links = 0

    def encode(self, numbers: Iterable[int]) -> bytes:
        """Return the spans with these numbers as the fields of a `ScopeSpans`."""
        return ScopeSpans(spans=[self._span(number) for number in numbers]).SerializeToString()

    def _span(self, number: int) -> Span:
        recorded = self.spans[number]
        message = Span(
            trace_id=_marker("t", 0) + bytes(8),
            span_id=_marker("i", number),
            parent_span_id=b"" if recorded.parent is None else _marker("i", recorded.parent),
            flags=self._flags(recorded),
            name=recorded.name,
            kind=recorded.kind,
            start_time_unix_nano=self._time(recorded.start_ns),
            end_time_unix_nano=self._time(recorded.end_ns),
            attributes=key_values(recorded.attributes),
            events=[
                Span.Event(
                    time_unix_nano=self._time(event.at_ns), name=event.name, attributes=key_values(event.attributes)
                )
                for event in recorded.events
            ],
            links=[self._link() for _ in range(recorded.links)],
        )
        if recorded.error is not None:
            message.status.code = Status.STATUS_CODE_ERROR
            message.status.message = recorded.error
        elif recorded.is_ok:
            message.status.code = Status.STATUS_CODE_OK
        return message

    def _flags(self, recorded: Recorded) -> int:
        is_remote = recorded.parent is not None and self.spans[recorded.parent].service != recorded.service
        return SAMPLED | PARENT_IS_KNOWN | (PARENT_IS_REMOTE if is_remote else 0)

    def _time(self, after_ns: int) -> int:
        self.after_ns.append(after_ns)
        return int.from_bytes(_marker("n", len(self.after_ns) - 1), "little")

    def _link(self) -> Span.Link:
        number, self._links = self._links, self._links + 1
        return Span.Link(
            trace_id=_marker("T", number) + bytes(8),
            span_id=_marker("I", number),
            attributes=key_values({"messaging.operation": "publish"}),
            flags=SAMPLED | PARENT_IS_KNOWN | PARENT_IS_REMOTE,
        )


def _find_holes(body: bytes) -> dict[str, list[tuple[int, int]]]:
    """Return (position, number) of every marker, by its letter; fresh texts have the letter x."""
    holes: dict[str, list[tuple[int, int]]] = {letter: [] for letter in "tinxTI"}
    for found in _FOUND.finditer(body):
        letter, number, text = found.groups()
        if text is not None:
            holes["x"].append((found.start(), _TEXT_NUMBER[text]))
        else:
            holes[letter.decode()].append((found.start(), int.from_bytes(number, "big")))
    return holes


def _holes(found: list[tuple[int, int]], width: int) -> Holes:
    pairs = np.array(found, np.intp).reshape(-1, 2)
    return Holes(pairs[:, :1] + np.arange(width), pairs[:, 1])
