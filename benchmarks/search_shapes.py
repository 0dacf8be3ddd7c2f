"""The shapes of searches that are measured: the suite's, with the columns they must read and, where it can say it, SQL.

The SQL finds the newest twenty traces with a match and counts their matches; a trace's number rises with its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.columns import TableName
from tempo_dask.bench.shapes import SEARCHES

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
    columns: Mapping[TableName, tuple[str, ...]] = field(default_factory=dict)
    where: str = ""
    sql: str = _NEWEST

    @property
    def query(self) -> str:
        """The TraceQL: that of the suite."""
        return SEARCHES[self.name].query

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
        {**_spans("resource"), "resources": (SERVICE,)},
        _RESOURCES % f"\"{SERVICE}\" = 'cart'",
    ),
    Shape(
        "service and status",
        {**_spans("resource", "status"), "resources": (SERVICE,)},
        "status = 2 AND " + _RESOURCES % f"\"{SERVICE}\" = 'cart'",
    ),
    Shape("status", _spans("status"), "status = 2"),
    Shape("absent attribute"),
    Shape("absent value", {}, "\"span.http.method::str\" = 'BREW'"),
    Shape("duration", _spans("duration_ns"), "duration_ns > 500000000"),
    Shape(
        "attribute and duration",
        _spans("span.http.method::str", "duration_ns"),
        "\"span.http.method::str\" = 'POST' AND duration_ns > 50000000",
    ),
    Shape(
        "range of floats",
        _spans("span.db.cache_hit_ratio::float"),
        '"span.db.cache_hit_ratio::float" < 0.5',
    ),
    Shape("regex of names", _spans("name"), "regexp_full_match(name, '.*[Cc]art.*')"),
    Shape(
        "regex of statements",
        _spans("span.db.statement::str"),
        "regexp_full_match(\"span.db.statement::str\", '.*orders.*status.*')",
    ),
    Shape("regex of ids", _spans("span.user.id::str"), "\"span.user.id::str\" ~ '.*ff.*'"),
    Shape(
        "unscoped",
        _spans("span.http.status_code::int"),
        '"span.http.status_code::int" = 503',
    ),
    Shape(
        "descendants",
        _spans("kind", "status", "nested_left", "nested_right", "nested_parent"),
        "a.kind = 2 AND b.status = 2",
        _BELOW,
    ),
    Shape(
        "children",
        _spans("kind", "status", "nested_left", "nested_right", "nested_parent"),
        "a.kind = 3 AND b.kind = 2 AND b.status = 2",
        _CHILD,
    ),
    Shape(
        "ancestors",
        _spans("kind", "status", "nested_left", "nested_right", "nested_parent"),
    ),
    Shape(
        "count",
        _spans("status"),
        "status = 2",
        _NEWEST.replace("ORDER BY", "HAVING count(*) > 2 ORDER BY"),
    ),
    Shape(
        "mean of durations",
        _spans("kind", "duration_ns"),
        "kind = 3",
        _NEWEST.replace("ORDER BY", "HAVING avg(duration_ns) > 100000000 ORDER BY"),
    ),
    Shape("by name", _spans("status", "name")),
    Shape(
        "events",
        {**_spans(), "events": ("span", "event.exception.type::str")},
    ),
    Shape(
        "root and duration of traces",
        {"traces": ("root_service", "start", "end", "span_count")},
    ),
    Shape("most recent"),
)
