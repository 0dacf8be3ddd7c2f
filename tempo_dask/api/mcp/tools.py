"""The tools: each is one question of the query API, with arguments in words that a model understands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tempo_dask.api.contracts import Api
from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_metrics import decode_query_instant, decode_query_range
from tempo_dask.api.decode_search import decode_search
from tempo_dask.api.decode_tag_requests import decode_tag_names, decode_tag_values
from tempo_dask.api.decode_times import parse_rfc3339
from tempo_dask.api.decode_trace import decode_trace
from tempo_dask.api.encode_llm import encode_trace_llm
from tempo_dask.api.encode_metrics import encode_query_instant, encode_query_range
from tempo_dask.api.encode_search import encode_search_json
from tempo_dask.api.encode_tags import encode_tag_values_llm, encode_tags_v2_json
from tempo_dask.api.limits import HOUR_NS
from tempo_dask.api.mcp.documents import NAMES, document
from tempo_dask.errors import TempoDaskError
from traceql import TraceQLError, parse

Values: TypeAlias = Mapping[str, Any]


class ToolFailed(TempoDaskError):
    """A tool cannot answer; the model is told why."""


@dataclass(frozen=True, slots=True)
class Tool:
    """What a tool does, which arguments it takes (name -> what it is), and what its answers are."""

    description: str
    arguments: Mapping[str, str]
    required: tuple[str, ...]
    answers: str
    version: str
    call: Callable[[Api, Values], Awaitable[str]]

    def listing(self, name: str) -> dict[str, Any]:
        """Return how a tool is listed."""
        properties: dict[str, Any] = {
            key: {"type": "string", "description": text} for key, text in self.arguments.items()
        }
        if name == "docs-traceql":
            properties["name"]["enum"] = list(NAMES)
        hints = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": False, "openWorldHint": False}
        schema = {"type": "object", "properties": properties, "required": list(self.required)}
        return {"annotations": hints, "description": self.description, "inputSchema": schema, "name": name}


async def _search(api: Api, values: Values) -> str:
    if _query(values).is_metrics:
        msg = (
            "TraceQL metrics query received on traceql-search tool. "
            "Use the traceql-metrics-instant or traceql-metrics-range tool instead"
        )
        raise ToolFailed(msg)
    asked = decode_search(_timed(api, values, seconds=True), api.tenant, api.now_ns(), api.limits)
    return encode_search_json(await api.engine.search(asked)).decode()


async def _range(api: Api, values: Values) -> str:
    _require_metrics(values, "range")
    asked = decode_query_range(_timed(api, values), api.tenant, api.now_ns(), api.limits)
    return encode_query_range(await api.engine.query_range(asked)).decode()


async def _instant(api: Api, values: Values) -> str:
    _require_metrics(values, "instant")
    asked = decode_query_instant(_timed(api, values), api.tenant, api.now_ns(), api.limits)
    return encode_query_instant(await api.engine.query_range(asked)).decode()


async def _trace(api: Api, values: Values) -> str:
    asked = decode_trace(str(values["trace_id"]), Arguments({}), api.tenant)
    found = await api.engine.trace(asked)
    return "{}" if found.tables is None else encode_trace_llm(found).decode()


async def _names(api: Api, values: Values) -> str:
    asked = decode_tag_names(Arguments({"scope": _text(values, "scope")}), api.tenant, api.now_ns(), api.limits)
    return encode_tags_v2_json(await api.engine.tag_names(asked)).decode()


async def _values(api: Api, values: Values) -> str:
    arguments = Arguments({"q": _text(values, "filter-query")})
    asked = decode_tag_values(_text(values, "name"), arguments, api.tenant, api.now_ns(), api.limits)
    return encode_tag_values_llm(await api.engine.tag_values(asked)).decode()


async def _document(_api: Api, values: Values) -> str:
    return document(_text(values, "name"))


def _text(values: Values, name: str) -> str:
    return str(values.get(name) or "")


def _query(values: Values) -> Any:
    try:
        return parse(_text(values, "query"))
    except TraceQLError as error:
        msg = f"query parse error. Consult TraceQL docs tools: {error}"
        raise ToolFailed(msg) from error


def _require_metrics(values: Values, kind: str) -> None:
    if not _query(values).is_metrics:
        msg = f"TraceQL search query received on {kind} query tool. Use the traceql-search tool instead"
        raise ToolFailed(msg)


def _timed(api: Api, values: Values, *, seconds: bool = False) -> Arguments:
    """Return query and window: the last hour where none is given; searches count in whole seconds."""
    now_ns = api.now_ns()
    start_ns, end_ns = _time(values, "start", now_ns - HOUR_NS), _time(values, "end", now_ns)
    divisor = 10**9 if seconds else 1
    window = {"start": str(start_ns // divisor), "end": str(end_ns // divisor)}
    return Arguments({"q": _text(values, "query"), **window})


def _time(values: Values, name: str, default_ns: int) -> int:
    text = _text(values, name)
    if not text:
        return default_ns
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        msg = f"invalid {name} time: {str(error).replace('.999999999', '')}"
        raise ToolFailed(msg) from error


_QUERY = {
    "query": "TraceQL, see the tool docs-traceql",
    "start": "Start of the window as RFC 3339; default: an hour ago",
    "end": "End of the window as RFC 3339; default: now",
}
TOOLS: Mapping[str, Tool] = {
    "docs-traceql": Tool(
        "How TraceQL is written, with examples. Read it before the first query.",
        {"name": "Which document"},
        ("name",),
        "documentation",
        "1",
        _document,
    ),
    "get-attribute-names": Tool(
        "The names of attributes that queries can use, by scope.",
        {"scope": "Only this scope: span, resource, event, link, instrumentation or intrinsic"},
        (),
        "attribute-names",
        "2",
        _names,
    ),
    "get-attribute-values": Tool(
        "The values that an attribute has.",
        {
            "name": "The attribute with its scope, for example resource.service.name",
            "filter-query": "TraceQL: only values of spans that match it",
        },
        ("name",),
        "attribute-values",
        "2",
        _values,
    ),
    "get-trace": Tool(
        "One trace with all its spans.", {"trace_id": "Its id in hex"}, ("trace_id",), "trace", "2", _trace
    ),
    "traceql-metrics-instant": Tool(
        "One value per series of a TraceQL metrics query.", _QUERY, ("query",), "metrics-instant", "1", _instant
    ),
    "traceql-metrics-range": Tool(
        "Series over time of a TraceQL metrics query.", _QUERY, ("query",), "metrics-range", "1", _range
    ),
    "traceql-search": Tool("Traces that match a TraceQL query.", _QUERY, ("query",), "search-results", "1", _search),
}
