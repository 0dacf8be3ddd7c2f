"""Jaeger's spans, whichever way they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = str | bool | int | float | bytes
Tags: TypeAlias = Sequence[tuple[str, Value]]


@dataclass(frozen=True, slots=True)
class Process:
    """Who made spans."""

    service_name: str = ""
    tags: Tags = ()

    def key(self) -> tuple[object, ...]:
        """Return what two processes share that are the same (to Python, 1 is True)."""
        return self.service_name, tuple((name, type(value), value) for name, value in self.tags)


@dataclass(frozen=True, slots=True)
class Reference:
    """A relation to another span."""

    trace_id: bytes
    span_id: bytes
    is_child_of: bool  # else it follows from it


@dataclass(frozen=True, slots=True)
class Log:
    """Something that happened within a span."""

    time_ns: int
    fields: Tags


@dataclass(frozen=True, slots=True)
class Span:
    """A span; ids have 16 and 8 bytes, all zero where there is none."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    start_ns: int
    duration_ns: int
    references: Sequence[Reference] = ()
    tags: Tags = ()
    logs: Sequence[Log] = ()
    process: Process | None = None  # where it is not the batch's


@dataclass(frozen=True, slots=True)
class Batch:
    """Spans, most of them of one process.

    `has_otlp_tags` says that tags stand for the trace state and the scope, and for a resource without a service, as
    OpenTelemetry's exporters write them in protobuf.
    """

    spans: Sequence[Span]
    process: Process = field(default_factory=Process)
    has_otlp_tags: bool = False
