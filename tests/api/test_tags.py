"""Tag names and tag values over HTTP: parameters, both versions, every form of the answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_tag_requests import decode_key_values, decode_tag_names, decode_tag_values
from tempo_dask.api.limits import RequestLimits
from tempo_dask.api.pb.tempo_pb2 import (
    SearchTagsResponse,
    SearchTagsV2Response,
    SearchTagValuesResponse,
    SearchTagValuesV2Response,
)
from tempo_dask.engine.requests import KeyValuesRequest, TagNamesRequest, TagValuesRequest, Window
from tempo_dask.engine.results import (
    KeyValuesResult,
    QueryMetrics,
    TagNamesResult,
    TagValue,
    TagValuesResult,
)
from tempo_dask.errors import BadRequest
from tests.api.conftest import NOW_NS, Served
from traceql import parse_attribute

S = 1_000_000_000
LIMITS = RequestLimits()
WINDOW = Window(10 * S, 20 * S)
RANGE = "start=10&end=20"
NAMES = TagNamesResult(
    {"span": ("a", "c"), "event": ("b", "c"), "intrinsic": ("duration", "name")}, QueryMetrics(inspected_bytes=5)
)
VALUES = TagValuesResult(
    (TagValue("int", "7"), TagValue("string", ""), TagValue("string", "x")), QueryMetrics(inspected_bytes=5)
)
PROTOBUF = {"Accept": "application/protobuf"}
LLM = {"Accept": "application/vnd.grafana.llm"}
INVALID = "please provide a valid tagName: failed to parse identifier"
NO_NAME = "syntax error: unexpected END_ATTRIBUTE, expecting IDENTIFIER"
METRICS = {"inspectedBytes": "5"}


def arguments(**values: Any) -> Arguments:
    return Arguments({name: str(value) for name, value in values.items()})


@pytest.mark.parametrize("scope", ["", "none", "resource", "span", "event", "link", "instrumentation", "intrinsic"])
def test_scopes(scope: str) -> None:
    asked = decode_tag_names(arguments(scope=scope, start=10, end=20, q="{ .a = "), "t", NOW_NS, LIMITS)
    assert asked == TagNamesRequest("t", WINDOW, scope, "{ .a = ", 0, 1_000_000)  # type: ignore[arg-type]  # known


@pytest.mark.parametrize("scope", ["all", "Span", "bogus", " "])
def test_unknown_scopes(scope: str) -> None:
    with pytest.raises(BadRequest, match=f"^invalid scope: {scope}$"):
        decode_tag_names(arguments(scope=scope, start="x"), "t", NOW_NS, LIMITS)


@pytest.mark.parametrize(("text", "limit"), [("3", 3), ("0", 0), ("-1", 0), ("x", 0), ("1.5", 0), ("", 0)])
def test_limits_that_make_no_sense_are_none(text: str, limit: int) -> None:
    asked = arguments(limit=text, maxStaleValues="x")
    assert decode_tag_names(asked, "t", NOW_NS, LIMITS).limit == limit
    assert decode_key_values("a", asked, "t", NOW_NS, LIMITS).limit == limit
    assert decode_tag_values(".a", asked, "t", NOW_NS, LIMITS).limit == limit


@pytest.mark.parametrize(
    ("values", "window"),
    [
        ({}, Window(NOW_NS - 900 * S, NOW_NS)),
        ({"since": "1h"}, Window(NOW_NS - 3600 * S, NOW_NS)),
        ({"start": "10.5", "end": "20"}, Window(10_500_000_000, 20 * S)),
        ({"start": "20", "end": "10"}, Window(20 * S, 10 * S)),
    ],
)
def test_windows(values: dict[str, str], window: Window) -> None:
    asked = arguments(**values)
    found = decode_tag_names(asked, "t", NOW_NS, LIMITS), decode_key_values("a", asked, "t", NOW_NS, LIMITS)
    assert [request.window for request in found] == [window, window]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/search/tags?scope=bogus", "invalid scope: bogus"),
        (
            "/api/v2/search/tags?start=5",
            "error parsing date range: only one of start and end provided: must provide both or neither",
        ),
        (
            "/api/search/tag/a/values?since=x",
            "error parsing date range: could not parse 'since' parameter: not a valid duration string: \"x\"",
        ),
        (
            "/api/v2/search/tag/foo/values?start=x",
            f"{INVALID} foo: parse error at line 1, col 2: unknown identifier: foo",
        ),
        (
            "/api/v2/search/tag/span./values",
            f"{INVALID} span.: parse error at line 0, col 2: {NO_NAME}",
        ),
    ],
)
async def test_refusals(served: Served, path: str, text: str) -> None:
    answer = await served.fetch(path)
    assert (answer.code, answer.body.decode()) == (400, text)
    assert served.engine.asked == []


@pytest.mark.parametrize(
    ("encoded", "key"),
    [("a", "a"), ("a/b", "a/b"), ("a%2Fb", "a/b"), ("with%20space", "with space"), ("x/values", "x/values")],
)
async def test_plain_keys_may_hold_slashes(served: Served, encoded: str, key: str) -> None:
    assert (await served.fetch(f"/api/search/tag/{encoded}/values?{RANGE}")).code == 200
    assert served.engine.asked == [KeyValuesRequest("single-tenant", key, WINDOW, 0, 1_000_000)]


@pytest.mark.parametrize(
    ("encoded", "attribute"),
    [
        ("span.a%2Fb", "span.a/b"),
        ("span.a/b", "span.a/b"),
        ("resource.%22with%20space%22", 'resource."with space"'),
        ("span:name", "name"),
        (".%C3%BC", ".ü"),
    ],
)
async def test_identifiers_may_hold_slashes_and_quotes(served: Served, encoded: str, attribute: str) -> None:
    assert (await served.fetch(f"/api/v2/search/tag/{encoded}/values?{RANGE}&q=%7B&limit=2")).code == 200
    expected = TagValuesRequest("single-tenant", parse_attribute(attribute), WINDOW, "{", 2, 1_000_000)
    assert served.engine.asked == [expected]


@pytest.mark.parametrize(
    ("parameters", "names"),
    [("", ["a", "b", "c"]), ("limit=2", ["a", "b"]), ("scope=intrinsic&limit=1", ["duration", "name"])],
)
async def test_names_as_one_list(served: Served, parameters: str, names: list[str]) -> None:
    served.engine.names = NAMES
    answer = await served.fetch(f"/api/search/tags?{parameters}")
    assert orjson.loads(answer.body) == {"tagNames": names, "metrics": METRICS}
    packed = await served.fetch(f"/api/search/tags?{parameters}", headers=PROTOBUF)
    message = SearchTagsResponse.FromString(packed.body)
    assert (list(message.tagNames), message.metrics.inspectedBytes) == (names, 5)


async def test_names_by_scope(served: Served) -> None:
    served.engine.names = NAMES
    answer = await served.fetch("/api/v2/search/tags")
    assert orjson.loads(answer.body) == {
        "scopes": [
            {"name": "event", "tags": ["b", "c"]},
            {"name": "intrinsic", "tags": ["duration", "name"]},
            {"name": "span", "tags": ["a", "c"]},
        ],
        "metrics": METRICS,
    }
    message = SearchTagsV2Response.FromString((await served.fetch("/api/v2/search/tags", headers=PROTOBUF)).body)
    assert [(scope.name, list(scope.tags)) for scope in message.scopes] == [
        ("event", ["b", "c"]),
        ("intrinsic", ["duration", "name"]),
        ("span", ["a", "c"]),
    ]


async def test_values_as_text(served: Served) -> None:
    served.engine.texts = KeyValuesResult(("", "1.0", "x"), QueryMetrics(inspected_bytes=5))
    answer = await served.fetch("/api/search/tag/a/values")
    assert orjson.loads(answer.body) == {"tagValues": ["", "1.0", "x"], "metrics": METRICS}
    packed = await served.fetch("/api/search/tag/a/values", headers=PROTOBUF)
    assert list(SearchTagValuesResponse.FromString(packed.body).tagValues) == ["", "1.0", "x"]


async def test_values_with_types(served: Served) -> None:
    served.engine.values = VALUES
    answer = await served.fetch("/api/v2/search/tag/.a/values")
    assert orjson.loads(answer.body) == {
        "tagValues": [{"type": "int", "value": "7"}, {"type": "string"}, {"type": "string", "value": "x"}],
        "metrics": METRICS,
    }
    packed = await served.fetch("/api/v2/search/tag/.a/values", headers=PROTOBUF)
    assert packed.headers["Content-Type"] == "application/protobuf"
    message = SearchTagValuesV2Response.FromString(packed.body)
    assert [(value.type, value.value) for value in message.tagValues] == [("int", "7"), ("string", ""), ("string", "x")]


async def test_values_for_language_models(served: Served) -> None:
    served.engine.values = VALUES
    answer = await served.fetch("/api/v2/search/tag/.a/values", headers=LLM)
    assert answer.headers["Content-Type"] == "application/vnd.grafana.llm+json"
    assert orjson.loads(answer.body) == {
        "tagValues": {"int": ["7"], "string": ["", "x"]},
        "metrics": {"inspectedBytes": 5},
    }


@pytest.mark.parametrize(
    ("path", "empty"),
    [
        ("/api/search/tags", {"tagNames": []}),
        ("/api/v2/search/tags", {"scopes": []}),
        ("/api/search/tag/a/values", {"tagValues": []}),
        ("/api/v2/search/tag/.a/values", {"tagValues": []}),
    ],
)
async def test_empty_lists_are_there(served: Served, path: str, empty: dict[str, Any]) -> None:
    for headers in ({}, LLM) if "tag/" not in path else ({},):
        answer = await served.fetch(path, headers=headers)
        assert (answer.headers["Content-Type"], orjson.loads(answer.body)) == (
            "application/json",
            {**empty, "metrics": {}},
        )


@pytest.mark.parametrize("path", ["/api/search/tag/values", "/api/v2/search/tag/values", "/api/search/tags/"])
async def test_a_name_is_needed(served: Served, path: str) -> None:
    assert (await served.fetch(path)).code == 404
