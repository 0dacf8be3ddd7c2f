"""Spans by Tempo's search endpoint as a Dask dataframe: a slice of time is a partition.

The endpoint gives traces that overlap a window, at most `limit` of them, and at most so many spans of each. So a slice
that is full is cut in two and asked again, and a span counts for the slice in which it starts: none is there twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

from tempo_dask.errors import BadRequest, QueryFailed
from tempo_dask.notebook.answers import value_of
from tempo_dask.physical.frame import ALWAYS, OWN_FIELDS, TYPES_NAMED
from tempo_dask.tempo_client import TempoApi
from traceql import conditions_of, format_query, parse, parse_attribute, require_valid, shown, simplify
from traceql.ast import Attribute, AttributeReference, Intrinsic, Query
from traceql.ast.spansets import Pipeline, Select
from traceql.attributes import IntrinsicKind
from traceql.types import StaticType

SECOND_NS = 10**9
#: Tempo's defaults: spans of a trace that a server shows at most, and the longest window of a search (a week).
SPANS_PER_TRACE, LONGEST_S = 100, 168 * 3_600
#: Traces of one question; a slice with as many is cut in two.
TRACES = 1_000
_MOST_TRACES = 262_144
_SLICES = 16
_ARROW = {StaticType.INT: pa.int64(), StaticType.FLOAT: pa.float64(), StaticType.BOOL: pa.bool_()}
_ANSWERED_TYPES = {"int": StaticType.INT, "float": StaticType.FLOAT, "bool": StaticType.BOOL}
#: Intrinsics that stand beside a span's attributes in an answer.
_BESIDE = {IntrinsicKind.NAME: "name", IntrinsicKind.DURATION: "durationNanos"}


@dataclass(frozen=True, slots=True)
class ApiColumn:
    """A column: its name in the frame, the key under which answers have it, and its type."""

    name: str
    key: str
    type: pa.DataType


@dataclass(frozen=True, slots=True)
class Slice:
    """The seconds [start_s, end_s); the first has all spans before its end, the last all from its start on."""

    start_s: int
    end_s: int
    is_first: bool = False
    is_last: bool = False

    def holds(self, start_ns: int) -> bool:
        """Return whether a span that starts then counts for this slice."""
        is_late = self.is_last or start_ns < self.end_s * SECOND_NS
        return is_late and (self.is_first or start_ns >= self.start_s * SECOND_NS)

    def halves(self) -> tuple[Slice, Slice]:
        """Return the slice in two."""
        middle = (self.start_s + self.end_s) // 2
        return replace(self, end_s=middle, is_last=False), replace(self, start_s=middle, is_first=False)


def api_spans(api: TempoApi, query: str, start_s: int, end_s: int, names: Sequence[str] | None) -> dd.DataFrame:
    """Return matching spans of traces that overlap the seconds [start_s, end_s), a row each.

    The types of attributes are asked for now, spans when the frame is computed. Raises TraceQLError, and BadRequest
    where two columns would have the same key in an answer.
    """
    parsed = parse(query)
    require_valid(parsed)
    if not isinstance(parsed.root, Pipeline):
        msg = "a metrics query has no spans: ask `metrics`"
        raise BadRequest(msg)
    asked = [condition.attribute for condition in conditions_of(simplify(parsed)).conditions]
    wanted = [*ALWAYS, *asked] if names is None else [_attribute(name) for name in names if name not in OWN_FIELDS]
    _require_distinct([*wanted, *asked])
    columns = [_column(api, name, start_s, end_s) for name in _names(wanted, names)]
    own = [name for name in OWN_FIELDS if names is None or name in names]
    read = SpansRead(api, _selecting(parsed, wanted), tuple(own), tuple(columns))
    frame: dd.DataFrame = dd.from_map(read, _slices(start_s, end_s), meta=read.empty())  # type: ignore[no-untyped-call]
    return frame


@dataclass(frozen=True, slots=True)
class SpansRead:
    """Reads the spans of one slice."""

    api: TempoApi
    query: str
    own: tuple[str, ...]
    columns: tuple[ApiColumn, ...]

    def __call__(self, part: Slice) -> pd.DataFrame:
        """Return the spans that start in a slice. Raises QueryFailed where the server would not show all of them."""
        spans = [span for trace_id, tree in self._found(part) for span in self._rows(trace_id, tree, part)]
        columns = list(zip(*spans, strict=True)) or [()] * len(self.schema)
        arrays = [self._array(field, column) for field, column in zip(self.schema, columns, strict=True)]
        return _pandas(pa.table(arrays, schema=self.schema))

    def empty(self) -> pd.DataFrame:
        """Return a frame without rows."""
        return _pandas(self.schema.empty_table())

    @property
    def schema(self) -> pa.Schema:
        """The columns of the frame."""
        own = [pa.field(name, OWN_FIELDS[name]) for name in self.own]
        return pa.schema([*own, *(pa.field(column.name, column.type) for column in self.columns)])

    def _found(self, part: Slice, limit: int = TRACES) -> Iterator[tuple[str, Mapping[str, Any]]]:
        window = {"start": part.start_s, "end": part.end_s}
        answer = self.api.json("/api/search", q=self.query, limit=limit, spss=SPANS_PER_TRACE, **window)
        traces = answer.get("traces") or []
        if len(traces) < limit:
            yield from (
                (trace["traceID"].zfill(32), found) for trace in traces for found in trace.get("spanSets") or ()
            )
        elif part.end_s - part.start_s > 1:
            for half in part.halves():
                yield from self._kept(half)
        elif limit < _MOST_TRACES:
            yield from self._found(part, min(8 * limit, _MOST_TRACES))
        else:
            msg = f"more than {limit:,} traces overlap one second: ask for fewer with a narrower query"
            raise QueryFailed(msg)

    def _kept(self, part: Slice) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield what is found in a slice with the spans alone that start in it."""
        for trace_id, tree in self._found(part):
            _require_whole(trace_id, tree)
            spans = [span for span in tree["spans"] if part.holds(_start_ns(span))]
            yield trace_id, {"spans": spans, "matched": len(spans)}

    def _rows(self, trace_id: str, tree: Mapping[str, Any], part: Slice) -> Iterator[tuple[object, ...]]:
        _require_whole(trace_id, tree)
        for span in tree.get("spans") or ():
            start_ns = _start_ns(span)
            if part.holds(start_ns):
                length_ns = int(span.get("durationNanos", 0))
                own = {"trace_id": trace_id, "span_id": span["spanID"], "start": start_ns, "duration_ns": length_ns}
                shown_values = {item["key"]: value_of(item.get("value") or {}) for item in span.get("attributes") or ()}
                shown_values |= {"name": span.get("name", ""), "durationNanos": length_ns}
                yield *(own[name] for name in self.own), *(shown_values.get(column.key) for column in self.columns)

    def _array(self, field: pa.Field[Any], values: Sequence[Any]) -> pa.Array[Any]:
        if field.name == "start":
            return pa.array(values, pa.int64()).view(field.type)
        if pa.types.is_string(field.type):
            return pa.array([None if value is None else _text(value) for value in values], pa.string())
        if "::" in field.name:
            values = [value if _is_of(value, field.type) else None for value in values]
        try:
            return pa.array(values, field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            msg = f"{field.name} has values of several types: name the one you want, as in {field.name}::int"
            raise QueryFailed(msg) from error


def _require_whole(trace_id: str, tree: Mapping[str, Any]) -> None:
    matched, given = int(tree.get("matched", 0)), len(tree.get("spans") or ())
    if given < matched:
        msg = (
            f"the server shows {given} of the {matched} spans that match in trace {trace_id}: narrow the query, "
            "or open the blocks themselves with open_store"
        )
        raise QueryFailed(msg)


def _require_distinct(attributes: Sequence[AttributeReference]) -> None:
    scopes: dict[str, AttributeReference] = {}
    for attribute in attributes:
        key = _key(attribute)
        if scopes.setdefault(key, attribute) != attribute:
            msg = (
                f"the API names attributes without their scope, so {shown(scopes[key])} and {shown(attribute)} cannot "
                "be told apart in one question: ask for them in two"
            )
            raise BadRequest(msg)


def _selecting(query: Query, attributes: Sequence[AttributeReference]) -> str:
    """Return the query with a last stage that shows these attributes."""
    assert isinstance(query.root, Pipeline)  # noqa: S101 - checked before, for the type's sake
    select = [Select(tuple(dict.fromkeys(attributes)))] if attributes else []
    return format_query(replace(query, root=replace(query.root, stages=(*query.root.stages, *select))))


def _attribute(name: str) -> AttributeReference:
    text, separator, suffix = name.rpartition("::")
    return parse_attribute(text if separator and suffix in TYPES_NAMED else name)


def _names(wanted: Sequence[AttributeReference], names: Sequence[str] | None) -> list[str]:
    if names is None:
        return list(dict.fromkeys(shown(attribute) for attribute in wanted))
    return list(dict.fromkeys(name for name in names if name not in OWN_FIELDS))


def _column(api: TempoApi, name: str, start_s: int, end_s: int) -> ApiColumn:
    attribute, suffix = _attribute(name), name.rpartition("::")[2]
    if "::" in name and suffix in TYPES_NAMED:
        type_ = _ARROW.get(TYPES_NAMED[suffix], pa.string())
    elif isinstance(attribute, Intrinsic):
        type_ = pa.int64() if attribute.kind is IntrinsicKind.DURATION else _ARROW.get(attribute.kind.type, pa.string())
    else:
        type_ = _answered_type(api, attribute, start_s, end_s)
    return ApiColumn(name, _key(attribute), type_)


def _answered_type(api: TempoApi, attribute: Attribute, start_s: int, end_s: int) -> pa.DataType:
    """Return the type of an attribute's values, text where there are several types or none."""
    path = f"/api/v2/search/tag/{shown(attribute)}/values"
    values = api.json(path, start=start_s, end=end_s, limit=_MOST_TRACES).get("tagValues") or ()
    types = {value.get("type") for value in values}
    found = _ANSWERED_TYPES.get(types.pop()) if len(types) == 1 else None
    return pa.string() if found is None else _ARROW[found]


def _key(attribute: AttributeReference) -> str:
    """Return the key under which an answer has an attribute."""
    if isinstance(attribute, Attribute):
        return attribute.name
    return _BESIDE.get(attribute.kind, attribute.kind.value)


def _slices(start_s: int, end_s: int) -> list[Slice]:
    """Return the window in slices, none longer than a search may be."""
    count = max(min(_SLICES, end_s - start_s), -(-(end_s - start_s) // LONGEST_S))
    edges = [start_s + (end_s - start_s) * number // count for number in range(count + 1)]
    return [
        Slice(edges[number], edges[number + 1], is_first=number == 0, is_last=number == count - 1)
        for number in range(count)
    ]


def _start_ns(span: Mapping[str, Any]) -> int:
    return int(span.get("startTimeUnixNano", 0))


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _is_of(value: object, type_: pa.DataType) -> bool:
    wanted = {pa.int64(): int, pa.float64(): float, pa.bool_(): bool}.get(type_, str)
    return type(value) is wanted


def _pandas(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame
