"""Tag names, tag values and the search by tags, over any layout of the spans."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.chunk import Chunk
from storage.columns import Column, ScanSource, TableName
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import (
    KeyValuesRequest,
    SearchRequest,
    TagNamesRequest,
    TagScope,
    TagValuesRequest,
    Window,
)
from tempo_dask.engine.tag_conditions import condition_of
from tempo_dask.physical.distinct import distinct_texts
from tempo_dask.physical.tags import fitting_tags, join_tags
from tempo_dask.physical.values import Part
from tests.engine.recorded import TENANT, Fixed, chunk_of
from tests.engine.spans import START_NS, TEXTS, request_of, spans
from tests.engine.tag_oracle import chosen, names_of, traces_with, values_of
from tests.oracle_spans import Span
from traceql import matchers_of, parse_attribute
from traceql.types import StaticType

T = TypeVar("T")

EVER = Window(-(2**62), 2**62)
LAW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

conditions = st.sampled_from(
    [
        "",
        "{ ",
        "{ span.a = ",
        '{ span.a = "x" }',
        '{ span.a != "x" && resource.service.name = "s" }',
        "{ resource.b >= 1 && ",
        '{ name = "one" && status = error }',
        "{ event.a = 1 || span.b = 1 }",
        '{ event.a =~ "x.*" }',
        '{ .b = "y" && span.b',
        "{ duration > 1ns }",
        "{ span.a = true }",
        '{ status = "ok" }',
    ]
)
windows = st.just(EVER) | st.builds(
    lambda start, length: Window(START_NS + start, START_NS + start + length), st.integers(-5, 60), st.integers(1, 40)
)
attributes = st.sampled_from(
    [
        *("span.a", ".b", "resource.a", "resource.service.name", "instrumentation.b", "event.a", "link.a"),
        *("name", "statusMessage", "rootName", "instrumentation:name", "event:name", "span.absent"),
    ]
).map(parse_attribute)


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    found = LocalExecutor(2)
    yield found
    found.close()


@pytest.fixture(scope="module")
def ask(executor: LocalExecutor) -> Callable[..., Any]:
    """Ask an engine over sources: `ask(sources, lambda engine: engine.search(...))`."""

    def run(sources: Sequence[ScanSource], verb: Callable[[Engine], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run(verb(Engine(Fixed(*sources), executor)))

    return run


def fitting(found: Iterable[tuple[str, str]], max_bytes: int) -> list[tuple[str, str]]:
    """Return the pairs, in order, that fit into a budget of bytes."""
    ordered = sorted(found)
    sizes = accumulate(len(first.encode()) + len(second.encode()) for first, second in ordered)
    return [tag for tag, size in zip(ordered, sizes, strict=True) if not max_bytes or size <= max_bytes]


def layout(data: st.DataObject, found: Sequence[Span]) -> list[ScanSource]:
    """Lay spans out over up to three chunks of small units, traces in several of them."""
    places = [data.draw(st.integers(0, 2)) for _ in found]
    parts = ([span for span, place in zip(found, places, strict=True) if place == n] for n in range(3))
    return [chunk_of([request_of(part)], "tagged", unit_spans=4) for part in parts if part]


@LAW
@given(found=spans(), query=conditions, window=windows, data=st.data())
def test_names_are_those_of_the_chosen_spans(
    ask: Callable[..., Any], found: list[Span], query: str, window: Window, data: st.DataObject
) -> None:
    request = TagNamesRequest(TENANT, window, query=query)
    answer = ask(layout(data, found), lambda engine: engine.tag_names(request))
    scopes = {scope: set(keys) for scope, keys in answer.scopes.items() if scope != "intrinsic"}
    assert scopes == names_of(chosen(found, condition_of(matchers_of(query)), window))


@LAW
@given(
    found=spans(),
    query=conditions,
    attribute=attributes,
    window=windows,
    max_bytes=st.sampled_from([0, 8, 14, 25]),
    data=st.data(),
)
def test_values_are_those_of_the_chosen_spans(
    ask: Callable[..., Any],
    found: list[Span],
    query: str,
    attribute: Any,
    window: Window,
    max_bytes: int,
    data: st.DataObject,
) -> None:
    matchers = matchers_of(query)
    request = TagValuesRequest(TENANT, attribute, window, query, max_bytes=max_bytes)
    answer = ask(layout(data, found), lambda engine: engine.tag_values(request))
    values = [(value.type, value.text) for value in answer.values]
    if matchers.operand_of(attribute) is None:
        condition = condition_of(matchers if query == '{ status = "ok" }' else matchers.without(attribute))
        assert values == fitting(values_of(chosen(found, condition, window), attribute), max_bytes)


@LAW
@given(
    found=spans(),
    tags=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(TEXTS)),
    known=st.dictionaries(
        st.sampled_from(["name", "root.name", "service.name", "status.code"]),
        st.sampled_from(["on", "one", "s", "ok", "error", ""]),
        max_size=1,
    ),
    data=st.data(),
)
def test_search_by_tags_agrees_with_the_oracle(
    ask: Callable[..., Any], found: list[Span], tags: dict[str, str], known: dict[str, str], data: st.DataObject
) -> None:
    if known.get("status.code") not in (None, "ok", "error"):
        known = {"status.code": "unset"}  # as any other text means
    request = SearchRequest(TENANT, "", EVER, limit=100, tags=(*tags.items(), *known.items()))
    answer = ask(layout(data, found), lambda engine: engine.search(request))
    assert {trace.trace_id.hex() for trace in answer.traces} == traces_with(found, tags | known, 0, 0)
    assert not any(trace.span_sets or trace.service_stats for trace in answer.traces)


def long_trace(number: int, duration_ns: int) -> Span:
    return Span(f"{number:032x}", "01" * 8, name="n", start_ns=START_NS, duration_ns=duration_ns)


@pytest.mark.parametrize(
    ("shortest_ns", "longest_ns", "traces"),
    [
        (0, 0, {1, 2}),
        (250_000_000, 0, {1, 2}),
        (250_999_999, 0, {1, 2}),
        (251_000_000, 0, {2}),
        (0, 250_999_999, set()),
        (0, 251_000_000, {1}),
        (0, 300_000_000, {1, 2}),
        (999_999, 999_999, {1, 2}),  # less than a millisecond is no bound
    ],
)
def test_durations_are_cut_to_milliseconds_then_bound_exactly(
    ask: Callable[..., Any], shortest_ns: int, longest_ns: int, traces: set[int]
) -> None:
    source = chunk_of([request_of([long_trace(1, 250_700_000), long_trace(2, 300_000_000)])])
    request = SearchRequest(TENANT, "", EVER, min_duration_ns=shortest_ns, max_duration_ns=longest_ns)
    answer = ask([source], lambda engine: engine.search(request))
    assert {int.from_bytes(trace.trace_id, "big") for trace in answer.traces} == traces
    assert answer.metrics.inspected_traces == 2


SPAN = Span(
    "01" * 16,
    "02" * 8,
    name="GET /",
    start_ns=START_NS,
    duration_ns=1_500_000,
    attributes={"http.status_code": 404, "http.url": "/a?b=1", "http.method": "GET", "f": 1e21, "g": 1e-7, "h": -0.0},
    resource={"service.name": "WebShop", "cluster": "eu.1"},
)


@pytest.mark.parametrize(
    ("key", "value", "is_found"),
    [
        ("service.name", "Shop", True),
        ("service.name", "shop", False),
        ("cluster", "eu.", True),
        ("cluster", "euX", False),
        ("http.url", "a?b", True),
        ("http.url", "a.b", False),
        ("http.status_code", "404", True),
        ("http.status_code", "40", False),
        ("http.status_code", "9" * 400, False),
        ("http.status_code", "x", False),
        ("status.code", "unset", True),
        ("status.code", "anything", True),
        ("status.code", "error", False),
        ("root.service.name", "Web", True),
        ("f", "1e21", False),
    ],
)
def test_keys_of_known_places(ask: Callable[..., Any], key: str, value: str, is_found: bool) -> None:
    request = SearchRequest(TENANT, "", EVER, tags=((key, value),))
    answer = ask([chunk_of([request_of([SPAN])])], lambda engine: engine.search(request))
    assert len(answer.traces) == is_found


def test_resources_of_other_units_do_not_count(ask: Callable[..., Any]) -> None:
    """Units share the tables of resources and scopes: those of spans outside of the window are not told."""
    near, far = (
        Span(
            f"{number:032x}",
            f"{number:016x}",
            start_ns=START_NS + number * 100,
            resource={"service.name": name, name: 1},
            scope_attributes={name: 2},
        )
        for number, name in enumerate(("near", "far"), 1)
    )
    sources = [chunk_of([request_of([near, far])], "tagged", unit_spans=1)]
    window = Window(START_NS + 100, START_NS + 101)
    names = ask(sources, lambda engine: engine.tag_names(TagNamesRequest(TENANT, window, query="")))
    assert names.scopes["resource"] == ("near", "service.name")
    assert names.scopes["instrumentation"] == ("near",)
    of_services = TagValuesRequest(TENANT, parse_attribute("resource.service.name"), window, "")
    assert [value.text for value in ask(sources, lambda engine: engine.tag_values(of_services)).values] == ["near"]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("name", ("GET /",)),
        ("service.name", ("WebShop",)),
        ("rootName", ("GET /",)),
        ("root.service.name", ("WebShop",)),
        ("http.status_code", ("404",)),
        ("f", ("1000000000000000000000.0",)),
        ("g", ("0.0000001",)),
        ("h", ("0.0",)),
        ("status.code", ("error", "ok", "unset")),
        ("error", ("true",)),
        ("status", ()),
        ("duration", ()),
        ("span.f", ()),
    ],
)
def test_values_of_plain_keys(ask: Callable[..., Any], key: str, values: tuple[str, ...]) -> None:
    answer = ask(
        [chunk_of([request_of([SPAN])])], lambda engine: engine.key_values(KeyValuesRequest(TENANT, key, EVER))
    )
    assert answer.values == values


@pytest.mark.parametrize(
    ("attribute", "query", "values"),
    [
        ("status", "", [("keyword", "error"), ("keyword", "ok"), ("keyword", "unset")]),
        ("status", "{ name = }", [("keyword", "error"), ("keyword", "ok"), ("keyword", "unset")]),
        ("status", '{ name = "GET /" }', [("keyword", "unset")]),
        ("span:kind", '{ name = "GET /" }', [("keyword", "unspecified")]),
        ("duration", "", []),
        ("traceDuration", '{ name = "GET /" }', [("duration", "1.5ms")]),
        ("span.f", '{ name = "other" }', []),
        ("span.f", '{ span.f = "told" && span.x = 1 }', [("string", "told")]),
        ("span.f", "{ span.f = 2.5 }", [("float", "2.5")]),
        ("span.f", "{ span.f = 1m }", [("duration", "1m0s")]),
        ("status", "{ status = error }", [("keyword", "error")]),
        ("span.f", "{ span.f > 1 && span.f != 2 }", [("float", "1000000000000000000000.0")]),
        ("span.f", '{ status = "ok" && span.f = 1 }', []),
        ("span.f", '{ name = "other" || span.f = 1 }', [("float", "1000000000000000000000.0")]),
        ("span:childCount", "", []),
        ("parent", "", []),
        ("parent.span.f", "", []),
        ("nestedSetLeft", "", [("int", "1")]),
        ("trace:id", "", []),
        ("span:id", '{ name = "GET /" }', []),
    ],
)
def test_values_of_attributes(
    ask: Callable[..., Any], attribute: str, query: str, values: list[tuple[str, str]]
) -> None:
    request = TagValuesRequest(TENANT, parse_attribute(attribute), EVER, query)
    answer = ask([chunk_of([request_of([SPAN])])], lambda engine: engine.tag_values(request))
    assert [(value.type, value.text) for value in answer.values] == values


@pytest.mark.parametrize(
    ("scope", "limit", "scopes"),
    [
        ("resource", 0, {"resource": ("cluster", "service.name")}),
        ("span", 2, {"span": ("f", "g")}),
        ("event", 0, {}),
    ],
)
def test_scopes_and_their_limit(
    ask: Callable[..., Any], scope: TagScope, limit: int, scopes: dict[str, tuple[str, ...]]
) -> None:
    request = TagNamesRequest(TENANT, EVER, scope, limit=limit)
    answer = ask([chunk_of([request_of([SPAN])])], lambda engine: engine.tag_names(request))
    assert answer.scopes == scopes


@pytest.mark.parametrize("scope", ["", "none", "intrinsic"])
def test_intrinsics_are_not_cut(ask: Callable[..., Any], scope: TagScope) -> None:
    answer = ask([], lambda engine: engine.tag_names(TagNamesRequest(TENANT, EVER, scope, limit=1)))
    assert list(answer.scopes) == ["intrinsic"]
    assert len(answer.scopes["intrinsic"]) == 25
    assert list(answer.scopes["intrinsic"]) == sorted(answer.scopes["intrinsic"])


def test_a_window_that_ends_before_it_starts_holds_nothing(ask: Callable[..., Any]) -> None:
    reversed_window = Window(START_NS + 10, START_NS + 5)
    sources = [chunk_of([request_of([SPAN])])]
    names = ask(sources, lambda engine: engine.tag_names(TagNamesRequest(TENANT, reversed_window, "span")))
    values = ask(sources, lambda engine: engine.key_values(KeyValuesRequest(TENANT, "name", reversed_window)))
    assert (names.scopes, values.values) == ({}, ())


def test_bounds_keep_what_comes_first(ask: Callable[..., Any]) -> None:
    """Types and texts count as bytes: `float` and `1000000000000000000000.0` are 29."""
    sources = [chunk_of([request_of([SPAN])])]
    keys = ask(sources, lambda engine: engine.tag_names(TagNamesRequest(TENANT, EVER, "span", max_bytes=11)))
    assert keys.scopes == {"span": ("f", "g")}
    for max_bytes, values in ((28, 0), (29, 1)):
        request = KeyValuesRequest(TENANT, "f", EVER, max_bytes=max_bytes)
        assert len(ask(sources, lambda engine, request=request: engine.key_values(request)).values) == values


tags = st.frozensets(st.tuples(st.sampled_from("sx"), st.text("aä", max_size=3)), max_size=12)


@given(parts=st.lists(tags, max_size=4), more=st.lists(tags, max_size=3), max_bytes=st.integers(0, 30))
def test_parts_join_in_any_order_to_the_same(
    parts: list[frozenset[tuple[str, str]]], more: list[frozenset[tuple[str, str]]], max_bytes: int
) -> None:
    joined = join_tags([join_tags(more, max_bytes=max_bytes), *reversed(parts)], max_bytes=max_bytes)
    assert joined == join_tags([*parts, *more], max_bytes=max_bytes)
    assert fitting_tags(joined, max_bytes=max_bytes) == fitting(frozenset().union(*parts, *more), max_bytes)


def test_long_dictionaries_are_cut_where_they_are_read() -> None:
    letters = pa.array([*"zyxwvutsrqponmlkjihgfedcba"])
    column = Column(np.arange(26, dtype=np.int32), None, letters)
    mask = np.ones(26, np.uint8)
    mask[-2] = 0
    assert distinct_texts(Part(StaticType.STRING, column), mask, max_bytes=3) == ["a", "c", "d", "e"]
    assert len(distinct_texts(Part(StaticType.STRING, column), mask)) == 25


class CountingSource:
    """A chunk that counts the columns read of it."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk, self.meta, self.reads = chunk, chunk.meta, list[tuple[TableName, str]]()

    def read(self, table: TableName, name: str, unit: int) -> Column | None:
        self.reads.append((table, name))
        return self.chunk.read(table, name, unit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chunk, name)


@pytest.mark.parametrize(
    "verb",
    [
        lambda engine: engine.tag_names(TagNamesRequest(TENANT, EVER)),
        lambda engine: engine.key_values(KeyValuesRequest(TENANT, "http.method", EVER)),
        lambda engine: engine.key_values(KeyValuesRequest(TENANT, "absent", EVER)),
        lambda engine: engine.tag_values(TagValuesRequest(TENANT, parse_attribute("status"), EVER)),
        lambda engine: engine.tag_values(
            TagValuesRequest(TENANT, parse_attribute("name"), EVER, '{ span.absent = "x" }')
        ),
        lambda engine: engine.search(SearchRequest(TENANT, "", EVER, tags=(("absent", "x"),))),
        lambda engine: engine.tag_names(TagNamesRequest(TENANT, Window(0, START_NS - 1))),
    ],
)
def test_metadata_suffices(ask: Callable[..., Any], verb: Callable[[Engine], Any]) -> None:
    source = CountingSource(chunk_of([request_of([SPAN])], f"counted-{id(verb)}"))
    ask([source], verb)
    assert source.reads == []


def test_a_window_through_a_source_reads_only_what_is_not_known(ask: Callable[..., Any]) -> None:
    inside = chunk_of([request_of([SPAN])], "inside")
    later = Span("03" * 16, "04" * 8, start_ns=START_NS + 10**9, attributes={"http.method": "GET", "new": 1})
    across = CountingSource(chunk_of([request_of([later, long_trace(7, 5)])], "across"))
    window = Window(START_NS, START_NS + 10**8)
    answer = ask([inside, across], lambda engine: engine.tag_names(TagNamesRequest(TENANT, window, "span")))
    assert "new" not in answer.scopes["span"]
    assert {name for table, name in across.reads if table == "spans"} == {"span.new::int"}
