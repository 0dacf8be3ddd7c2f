"""What the engine is asked: one frozen value per verb, already decoded from HTTP, gRPC or a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from traceql.ast import AttributeReference

TagScope = Literal["", "none", "resource", "span", "event", "link", "instrumentation", "intrinsic"]


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time in nanoseconds since 1970, both ends included."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Find traces: at most `limit`, newest first, each spanset cut to `spans_per_set` spans.

    Without a query the tags and the duration (0: unbounded) say which traces are found, and no spans are shown.
    """

    tenant: str
    query: str
    window: Window
    limit: int = 20
    spans_per_set: int = 3
    tags: tuple[tuple[str, str], ...] = ()
    min_duration_ns: int = 0
    max_duration_ns: int = 0


#: Where to look for a trace.
Places: TypeAlias = Literal["all", "live", "blocks"]


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """Return one trace; a window only chooses which sources are looked at, it never trims spans.

    `places` leaves out what lies in blocks already, or what does not lie there yet.
    """

    tenant: str
    trace_id: bytes
    window: Window | None = None
    places: Places = "all"


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """Compute metrics per interval.

    Sample i covers the half-open interval (start + i * step, start + (i + 1) * step] and carries its right
    edge as timestamp; `start_ns` and `end_ns` are aligned already.
    """

    tenant: str
    query: str
    start_ns: int
    end_ns: int
    step_ns: int
    exemplars: int = 100
    max_series: int = 0


@dataclass(frozen=True, slots=True)
class TagNamesRequest:
    """List the keys of attributes in a scope ("" and "none": in all), of spans that satisfy what is clear of `query`.

    `limit` bounds each scope, `max_bytes` all text; 0 is no bound.
    """

    tenant: str
    window: Window
    scope: TagScope = ""
    query: str = ""
    limit: int = 0
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class KeyValuesRequest:
    """List the values of a plain key in any scope of a span, its resource or its instrumentation scope, as text."""

    tenant: str
    key: str
    window: Window
    limit: int = 0
    max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class TagValuesRequest:
    """List the typed values of an attribute or intrinsic, of spans that satisfy what is clear of `query`."""

    tenant: str
    attribute: AttributeReference
    window: Window
    query: str = ""
    limit: int = 0
    max_bytes: int = 0
