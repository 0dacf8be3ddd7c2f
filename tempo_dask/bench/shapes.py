"""The questions of the suite: every shape of search and of metrics that is measured, in TraceQL, in one list.

Their values are those of the made-up shop (`tempo_dask.demo`). Other benchmarks take the same queries by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import quote, urlencode

from tempo_dask.errors import BadRequest
from traceql import TraceQLError, parse

#: Tempo's own default of a search.
LIMIT = 20
#: Steps of a range of metrics.
STEPS = 60


class Kind(StrEnum):
    """What is asked, each of another endpoint."""

    SEARCH = "search"
    METRICS = "metrics"
    NAMES = "names"
    VALUES = "values"
    TRACE = "trace"


@dataclass(frozen=True, slots=True)
class Window:
    """The time [start_s, end_s) that is asked for, seconds since 1970."""

    start_s: int
    end_s: int

    def __post_init__(self) -> None:
        if self.start_s >= self.end_s:
            raise BadRequest(f"expected a window that ends after it starts, found {self.start_s} to {self.end_s}")

    @property
    def step_s(self) -> int:
        """The step of metrics over it: some sixty in all."""
        return max(1, (self.end_s - self.start_s) // STEPS)

    def from_earlier(self, seconds: int) -> Window:
        """Return it with an earlier start."""
        return Window(self.start_s - seconds, self.end_s)


@dataclass(frozen=True, slots=True)
class Shape:
    """A question: TraceQL; or, of values, an attribute's name; of a trace, its id or "" for any; of names, nothing."""

    name: str
    kind: Kind
    query: str

    def path(self, window: Window) -> str:
        """Return the path and parameters to ask Tempo's HTTP API for."""
        times = {"start": window.start_s, "end": window.end_s}
        match self.kind:
            case Kind.SEARCH:
                return "/api/search?" + urlencode({"q": self.query, "limit": LIMIT, **times})
            case Kind.METRICS:
                return "/api/metrics/query_range?" + urlencode({"q": self.query, "step": f"{window.step_s}s", **times})
            case Kind.NAMES:
                return "/api/v2/search/tags?" + urlencode(times)
            case Kind.VALUES:
                return f"/api/v2/search/tag/{quote(self.query)}/values?" + urlencode(times)
            case Kind.TRACE:
                return f"/api/v2/traces/{quote(self.query)}?" + urlencode(times)


def _shapes(kind: Kind, queries: Mapping[str, str]) -> Mapping[str, Shape]:
    return MappingProxyType({name: Shape(name, kind, query) for name, query in queries.items()})


SEARCHES = _shapes(
    Kind.SEARCH,
    {
        "service": '{ resource.service.name = "cart" }',
        "service and status": '{ resource.service.name = "cart" && status = error }',
        "status": "{ status = error }",
        "absent attribute": '{ span.nothing = "x" }',
        "absent value": '{ span.http.method = "BREW" }',
        "duration": "{ duration > 500ms }",
        "attribute and duration": '{ span.http.method = "POST" && duration > 50ms }',
        "range of floats": "{ span.db.cache_hit_ratio < 0.5 }",
        "regex of names": '{ name =~ ".*[Cc]art.*" }',
        "regex of statements": '{ span.db.statement =~ ".*orders.*status.*" }',
        "regex of ids": '{ span.user.id =~ ".*ff.*" }',
        "unscoped": "{ .http.status_code = 503 }",
        "descendants": "{ kind = server } >> { status = error }",
        "children": "{ kind = client } > { kind = server && status = error }",
        "ancestors": "{ status = error } << { kind = server }",
        "count": "{ status = error } | count() > 2",
        "mean of durations": "{ kind = client } | avg(duration) > 100ms",
        "by name": "{ status = error } | by(name) | count() > 1",
        "events": '{ event.exception.type = "TimeoutError" }',
        "root and duration of traces": '{ rootServiceName = "frontend" && traceDuration > 1s }',
        "most recent": "{ }",
    },
)
METRICS = _shapes(
    Kind.METRICS,
    {
        "rate": "{ } | rate()",
        "rate by service": "{ } | rate() by (resource.service.name)",
        "rate by name": "{ } | rate() by (name)",
        "rate by span attribute": "{ } | rate() by (span.http.method)",
        "p50, p90, p99 by service": "{ } | quantile_over_time(duration, .5, .9, .99) by (resource.service.name)",
        "histogram": "{ } | histogram_over_time(duration)",
        "structural": "{ kind = server } >> { status = error } | rate()",
        "compare": "{ } | compare({ status = error })",
    },
)
TAGS = {
    "names of attributes": Shape("names of attributes", Kind.NAMES, ""),
    "values of services": Shape("values of services", Kind.VALUES, "resource.service.name"),
    "values of routes": Shape("values of routes", Kind.VALUES, "span.http.route"),
}
TRACE = Shape("trace by id", Kind.TRACE, "")
SUITE: tuple[Shape, ...] = (*SEARCHES.values(), *METRICS.values(), *TAGS.values(), TRACE)
#: Few that differ in what they cost: for a run of seconds.
SHORT_SUITE: tuple[Shape, ...] = (
    SEARCHES["service and status"],
    SEARCHES["attribute and duration"],
    SEARCHES["regex of names"],
    SEARCHES["descendants"],
    METRICS["rate by service"],
    METRICS["p50, p90, p99 by service"],
    TAGS["values of services"],
)


def read_shapes(lines: Iterable[str]) -> tuple[Shape, ...]:
    """Return the questions of a file: a line `NAME: TRACEQL` each, empty lines and those that begin with # aside.

    Whether it is a search or metrics, its functions tell. Raises BadRequest.
    """
    texts = (line.strip() for line in lines)
    shapes = tuple(_read_shape(text) for text in texts if text and not text.startswith("#"))
    if not shapes:
        raise BadRequest("expected a line `NAME: TRACEQL` for each question, found none")
    if len({shape.name for shape in shapes}) < len(shapes):
        raise BadRequest("two questions have the same name")
    return shapes


def _read_shape(line: str) -> Shape:
    name, colon, query = line.partition(": ")
    if not colon or not query.strip():
        raise BadRequest(f"expected `NAME: TRACEQL`, found {line!r}")
    return Shape(name.strip(), kind_of(query), query.strip())


def kind_of(query: str) -> Kind:
    """Return whether a query is a search or metrics. Raises BadRequest where it is no TraceQL."""
    try:
        return Kind.METRICS if parse(query).is_metrics else Kind.SEARCH
    except TraceQLError as error:
        raise BadRequest(f"{query}: {error}") from error
