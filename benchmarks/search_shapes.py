"""The shapes of searches that are measured: in TraceQL, as columns that must be read, and in SQL where that can say it.

The SQL finds the newest twenty traces with a match and counts their matches; a trace's number rises with its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.columns import TableName

_NEWEST = "SELECT trace, count(*) FROM spans WHERE {where} GROUP BY trace ORDER BY trace DESC LIMIT 20"
_RESOURCES = "resource IN (SELECT file_row_number FROM resources WHERE %s)"
_RELATED = (
    "SELECT b.trace, count(DISTINCT b.nested_left) FROM spans a JOIN spans b ON a.trace = b.trace AND %s "
    "WHERE {where} GROUP BY b.trace ORDER BY b.trace DESC LIMIT 20"
)
_BELOW = _RELATED % "b.nested_left > a.nested_left AND b.nested_right < a.nested_right"
_CHILD = _RELATED % "b.nested_parent = a.nested_left"


@dataclass(frozen=True, slots=True)
class Shape:
    """A search; `where` is the SQL of its condition, empty where SQL says it too differently to compare."""

    name: str
    query: str
    columns: Mapping[TableName, tuple[str, ...]] = field(default_factory=dict)
    where: str = ""
    sql: str = _NEWEST

    @property
    def statement(self) -> str:
        """The whole SQL, empty where there is none."""
        return self.sql.replace("{where}", self.where) if self.where else ""


def _spans(*columns: str) -> dict[TableName, tuple[str, ...]]:
    return {"spans": columns, "traces": ("span_count", "start")}


SERVICE = "resource.service.name::str"
SHAPES = (
    Shape(
        "service",
        '{ resource.service.name = "cart" }',
        {**_spans("resource"), "resources": (SERVICE,)},
        _RESOURCES % f"\"{SERVICE}\" = 'cart'",
    ),
    Shape(
        "service and status",
        '{ resource.service.name = "cart" && status = error }',
        {**_spans("resource", "status"), "resources": (SERVICE,)},
        "status = 2 AND " + _RESOURCES % f"\"{SERVICE}\" = 'cart'",
    ),
    Shape("status", "{ status = error }", _spans("status"), "status = 2"),
    Shape("absent attribute", '{ span.nothing = "x" }'),
    Shape("absent value", '{ span.http.method = "BREW" }', {}, "\"span.http.method::str\" = 'BREW'"),
    Shape("duration", "{ duration > 500ms }", _spans("duration_ns"), "duration_ns > 500000000"),
    Shape(
        "attribute and duration",
        '{ span.http.method = "POST" && duration > 50ms }',
        _spans("span.http.method::str", "duration_ns"),
        "\"span.http.method::str\" = 'POST' AND duration_ns > 50000000",
    ),
    Shape(
        "range of floats",
        "{ span.db.cache_hit_ratio < 0.5 }",
        _spans("span.db.cache_hit_ratio::float"),
        '"span.db.cache_hit_ratio::float" < 0.5',
    ),
    Shape("regex of names", '{ name =~ ".*[Cc]art.*" }', _spans("name"), "regexp_full_match(name, '.*[Cc]art.*')"),
    Shape(
        "regex of statements",
        '{ span.db.statement =~ ".*orders.*status.*" }',
        _spans("span.db.statement::str"),
        "regexp_full_match(\"span.db.statement::str\", '.*orders.*status.*')",
    ),
    Shape(
        "regex of ids", '{ span.user.id =~ ".*ff.*" }', _spans("span.user.id::str"), "\"span.user.id::str\" ~ '.*ff.*'"
    ),
    Shape(
        "unscoped",
        "{ .http.status_code = 503 }",
        _spans("span.http.status_code::int"),
        '"span.http.status_code::int" = 503',
    ),
    Shape(
        "descendants",
        "{ kind = server } >> { status = error }",
        _spans("kind", "status", "nested_left", "nested_right", "nested_parent"),
        "a.kind = 2 AND b.status = 2",
        _BELOW,
    ),
    Shape(
        "children",
        "{ kind = client } > { kind = server && status = error }",
        _spans("kind", "status", "nested_left", "nested_right", "nested_parent"),
        "a.kind = 3 AND b.kind = 2 AND b.status = 2",
        _CHILD,
    ),
    Shape(
        "ancestors",
        "{ status = error } << { kind = server }",
        _spans("kind", "status", "nested_left", "nested_right", "nested_parent"),
    ),
    Shape(
        "count",
        "{ status = error } | count() > 2",
        _spans("status"),
        "status = 2",
        _NEWEST.replace("ORDER BY", "HAVING count(*) > 2 ORDER BY"),
    ),
    Shape(
        "mean of durations",
        "{ kind = client } | avg(duration) > 100ms",
        _spans("kind", "duration_ns"),
        "kind = 3",
        _NEWEST.replace("ORDER BY", "HAVING avg(duration_ns) > 100000000 ORDER BY"),
    ),
    Shape("by name", "{ status = error } | by(name) | count() > 1", _spans("status", "name")),
    Shape(
        "events",
        '{ event.exception.type = "TimeoutError" }',
        {**_spans(), "events": ("span", "event.exception.type::str")},
    ),
    Shape(
        "root and duration of traces",
        '{ rootServiceName = "frontend" && traceDuration > 1s }',
        {"traces": ("root_service", "start", "end", "span_count")},
    ),
    Shape("most recent", "{ }"),
)
