"""Zipkin's spans, version 2, in JSON or protobuf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An end of a conversation; what is not known is "" or 0."""

    service_name: str = ""
    ip: str = ""
    port: int = 0


NOWHERE: Final = Endpoint()


@dataclass(frozen=True, slots=True)
class Annotation:
    """Something that happened within a span."""

    time_us: int
    value: str


@dataclass(frozen=True, slots=True)
class Span:
    """A span; ids are integers, 0 where there is none. `kind` is Zipkin's word, "" where there is none."""

    trace_id: int
    span_id: int
    parent_id: int = 0
    name: str = ""
    kind: str = ""
    start_us: int = 0
    duration_us: int = 0
    local: Endpoint = NOWHERE
    remote: Endpoint = NOWHERE
    annotations: Sequence[Annotation] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    is_shared: bool = False
