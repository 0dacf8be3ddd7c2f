"""The HTTP API over a real socket: routes, statuses, types, compression, errors."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import threading

import orjson
import pytest

from tempo_dask.api.pb.tempo_pb2 import SearchResponse, Trace, TraceByIDResponse
from tempo_dask.engine.requests import RangeRequest, SearchRequest, TraceRequest, Window
from tempo_dask.engine.results import FoundTrace, QueryMetrics, SearchResult, TraceResult
from tempo_dask.errors import DeadlineExceeded, QueryFailed, TooLarge, TooManyRequests, Unavailable
from tests.api.conftest import NOW_NS, Served
from tests.api.test_encode_trace import make_span
from tests.storage.builder import tables_of

TEXT = "text/plain; charset=utf-8"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
KNOWN = TraceResult(tables_of([make_span(1, name="GET /")]), QueryMetrics(inspected_bytes=7))


def many(count: int) -> SearchResult:
    return SearchResult(
        tuple(FoundTrace(bytes([n + 1]) * 16, n, 0, "shop", "GET /") for n in range(count)), QueryMetrics()
    )


async def test_search_is_decoded_asked_and_encoded(served: Served) -> None:
    answer = await served.fetch("/api/search?q=%7B%20name%20%3D%20%22a%22%20%7D&start=10&end=20&limit=5&spss=7")
    assert served.engine.asked == [
        SearchRequest("single-tenant", '{ name = "a" }', Window(10_000_000_000, 20_000_000_000), 5, 7)
    ]
    assert (answer.code, answer.body) == (200, b'{"traces":[],"metrics":{}}')
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert "Server" not in answer.headers
    assert "Etag" not in answer.headers


@pytest.mark.parametrize("method", METHODS)
async def test_query_paths_take_any_method_and_read_no_body(served: Served, method: str) -> None:
    answer = await served.fetch(
        "/api/search", method, body="q=%7B", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (answer.code, answer.body) == (200, b'{"traces":[],"metrics":{}}')


async def test_head_answers_without_a_body(served: Served) -> None:
    answer = await served.fetch("/api/echo", "HEAD")
    assert (answer.code, answer.body, answer.headers["Content-Type"]) == (200, b"", TEXT)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/json"),
        ("text/html", "application/json"),
        ("application/protobuf", "application/protobuf"),
        ("application/json, application/protobuf", "application/protobuf"),
        ("APPLICATION/PROTOBUF", "application/json"),
        ("application/vnd.grafana.llm", "application/vnd.grafana.llm+json"),
        ("application/vnd.grafana.llm, application/json", "application/json"),
    ],
)
async def test_accept_is_matched_by_substring(served: Served, accept: str, content_type: str) -> None:
    served.engine.one = KNOWN
    answer = await served.fetch("/api/v2/traces/7", headers={"Accept": accept})
    assert (answer.code, answer.headers["Content-Type"]) == (200, content_type)


async def test_trace_of_the_first_version(served: Served) -> None:
    served.engine.one = KNOWN
    answer = await served.fetch("/api/traces/aB7")
    assert served.engine.asked == [TraceRequest("single-tenant", bytes(14) + b"\x0a\xb7", None)]
    assert answer.body.startswith(b'{"batches":[{')
    protobuf = await served.fetch("/api/traces/aB7", headers={"Accept": "application/protobuf"})
    assert Trace.FromString(protobuf.body).resourceSpans[0].scope_spans[0].spans[0].name == "GET /"
    llm = await served.fetch("/api/traces/aB7", headers={"Accept": "application/vnd.grafana.llm"})
    assert llm.headers["Content-Type"] == "application/json"


async def test_unknown_trace(served: Served) -> None:
    """The first version says 404 without a body, the second an empty trace."""
    first = await served.fetch("/api/traces/1")
    assert (first.code, first.body, first.headers.get("Content-Type")) == (404, b"", None)
    second = await served.fetch("/api/v2/traces/1")
    assert (second.code, second.body) == (200, b'{"trace":{},"metrics":{}}')
    protobuf = await served.fetch("/api/v2/traces/1", headers={"Accept": "application/protobuf"})
    assert not TraceByIDResponse.FromString(protobuf.body).trace.resourceSpans


async def test_search_in_protobuf(served: Served) -> None:
    served.engine.found = many(3)
    answer = await served.fetch("/api/search", headers={"Accept": "application/protobuf"})
    assert len(SearchResponse.FromString(answer.body).traces) == 3


async def test_search_by_tags_is_decoded_asked_and_encoded(served: Served) -> None:
    trace = FoundTrace(b"\x11" * 16, 1, 0, "shop", "GET /")
    served.engine.found = SearchResult((trace,), QueryMetrics(inspected_traces=7))
    answer = await served.fetch("/api/search?tags=a%3Db%20c%3D%22d%20e%22&minDuration=1ms&start=10&end=20")
    window = Window(10_000_000_000, 20_000_000_000)
    assert served.engine.asked == [
        SearchRequest("single-tenant", "", window, tags=(("a", "b"), ("c", "d e")), min_duration_ns=1_000_000)
    ]
    found = orjson.loads(answer.body)
    assert set(found["traces"][0]) == {"traceID", "rootServiceName", "rootTraceName", "startTimeUnixNano"}
    assert found["metrics"] == {"inspectedTraces": 7}


async def test_range_and_instant_always_answer_json(served: Served) -> None:
    for path in ("/api/metrics/query_range", "/api/metrics/query"):
        answer = await served.fetch(
            f"{path}?q=%7B%7D%7Crate()&start=60&end=120&step=60", headers={"Accept": "application/protobuf"}
        )
        assert (answer.code, answer.headers["Content-Type"]) == (200, "application/json")
    ranged, instant = served.engine.asked
    assert isinstance(ranged, RangeRequest)
    assert isinstance(instant, RangeRequest)
    assert (ranged.start_ns, ranged.end_ns, ranged.step_ns) == (0, 120_000_000_000, 60_000_000_000)
    assert (instant.start_ns, instant.end_ns, instant.step_ns) == (60_000_000_000, 120_000_000_000, 60_000_000_000)


async def test_default_window_hangs_on_the_clock(served: Served) -> None:
    await served.fetch("/api/search")
    [asked] = served.engine.asked
    assert isinstance(asked, SearchRequest)
    assert asked.window == Window(NOW_NS - 900 * 10**9, NOW_NS)


@pytest.mark.parametrize(("count", "is_compressed"), [(1, False), (50, True)])
async def test_answers_are_compressed_from_a_kibibyte_on(served: Served, count: int, is_compressed: bool) -> None:
    served.engine.found = many(count)
    plain = await served.fetch("/api/search")
    packed = await served.fetch("/api/search", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert packed.headers.get("Content-Encoding") == ("gzip" if is_compressed else None)
    assert (gzip.decompress(packed.body) if is_compressed else packed.body) == plain.body
    assert (len(plain.body) >= 1024) is is_compressed


@pytest.mark.parametrize(
    "path",
    ["/", "/nope", "/api", "/api/nope", "/api/traces/", "/api/v2/traces/", "/api/search/", "/ready/", "/api/traces/1/"],
)
async def test_unknown_paths(served: Served, path: str) -> None:
    answer = await served.fetch(path)
    assert (answer.code, answer.body, answer.headers["Content-Type"]) == (404, b"404 page not found\n", TEXT)


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("/api//search?q=1", "/api/search?q=1"),
        ("//ready", "/ready"),
        ("/api/x/../echo", "/api/echo"),
        ("/api//", "/api/"),
    ],
)
async def test_unclean_paths_are_sent_on(served: Served, path: str, clean: str) -> None:
    answer = await served.fetch(path)
    assert (answer.code, answer.headers["Location"], answer.body) == (301, clean, b"")


@pytest.mark.parametrize("path", ["/api/status/buildinfo", "/metrics"])
async def test_a_wrong_method_has_no_body(served: Served, path: str) -> None:
    for method in ("POST", "HEAD"):
        answer = await served.fetch(path, method)
        assert (answer.code, answer.body) == (405, b"")


@pytest.mark.parametrize("served", ["/tempo"], indirect=True)
async def test_prefix_stands_before_api_paths_alone(served: Served) -> None:
    paths = ("/api/search", "/api/echo", "/ready")
    assert [(await served.fetch(path)).code for path in paths] == [404, 404, 200]
    assert [(await served.fetch(f"/tempo{path}")).code for path in paths] == [200, 200, 404]


async def test_a_long_query_fits_into_the_url_and_a_longer_one_is_refused(served: Served) -> None:
    assert (await served.fetch("/api/search?q={}" + "%20" * 131_070)).code == 200
    answer = await served.fetch("/api/search?q={}" + "%20" * 131_071)
    assert (answer.code, answer.body[:65]) == (
        400,
        b"TraceQL expression exceeds the configured maximum size of 131072 ",
    )


@pytest.mark.parametrize(
    "path", ["/api/search?q=%ff%00", "/api/traces/%zz", "/api/search?limit=%", "/api/traces/a%2Fb"]
)
async def test_broken_escapes_are_refused(served: Served, path: str) -> None:
    assert (await served.fetch(path)).code == 400


async def test_bad_query_says_where_and_what_was_expected(served: Served) -> None:
    answer = await served.fetch("/api/search?q=%7B%20%7D%20%7C%20rate(")
    expected = "invalid TraceQL query: parse error at line 1, col 12: syntax error: unexpected $end, expecting )"
    assert (answer.code, answer.body.decode(), answer.headers["Content-Type"]) == (400, expected, TEXT)
    assert not served.engine.asked


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (QueryFailed("inner"), 500, b"inner\n"),
        (TooManyRequests("job queue full"), 429, b"job queue full\n"),
        (Unavailable("stopping"), 503, b"stopping\n"),
        (DeadlineExceeded(), 504, b"context deadline exceeded\n"),
        (TooLarge("trace exceeds max size (max bytes: 7)"), 422, b"trace exceeds max size (max bytes: 7)\n"),
    ],
)
async def test_errors_of_the_engine(served: Served, error: Exception, status: int, body: bytes) -> None:
    served.engine.error = error
    answer = await served.fetch("/api/search")
    assert (answer.code, answer.body, answer.headers["Content-Type"]) == (status, body, TEXT)


async def test_unforeseen_errors_are_logged_and_say_nothing(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.engine.error = RuntimeError("secret")
    with caplog.at_level(logging.ERROR):
        answer = await served.fetch("/api/search")
    assert (answer.code, answer.body) == (500, b"internal server error\n")
    assert "GET /api/search failed" in caplog.text


async def test_a_query_ends_when_its_client_leaves(served: Served) -> None:
    served.engine.takes_for_ever = True
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET /api/search HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(served.engine.started.wait(), 60)
    writer.close()
    await asyncio.wait_for(served.engine.was_cancelled.wait(), 60)
    while not served.observed:
        await asyncio.sleep(0.01)
    assert served.observed == [("GET", "api_search", 499)]
    assert served.observer.running == []


async def test_answers_are_observed_by_route(served: Served) -> None:
    for path in ("/api/search", "/api/search?limit=x", "/api/traces/1", "/api/metrics/query_range", "/nope", "/ready"):
        await served.fetch(path)
    assert served.observed == [
        ("GET", "api_search", 200),
        ("GET", "api_search", 400),
        ("GET", "api_traces_traceid", 404),
        ("GET", "api_metrics_query_range", 400),
        ("GET", "other", 404),
        ("GET", "ready", 200),
    ]
    assert all(0 <= answer.seconds < 60 for answer in served.observer.answered)
    assert [answer.sent_bytes > 0 for answer in served.observer.answered] == [True, True, False, True, True, True]
    assert served.observer.running == []


async def test_operational_paths(served: Served) -> None:
    echo, ready = await served.fetch("/api/echo", "POST"), await served.fetch("/ready")
    assert (echo.code, echo.body) == (200, b"echo\n")
    assert (ready.code, ready.body, ready.headers["Content-Type"]) == (200, b"ready\n", TEXT)
    info = await served.fetch("/api/status/buildinfo")
    assert info.headers["Content-Type"] == "application/json"
    assert json.loads(info.body)["version"] == "1.2.3"
    assert set(orjson.loads(info.body)) == {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}


async def test_ready_says_why_not(served: Served) -> None:
    served.operations.reason = "Application is stopping"
    answer = await served.fetch("/ready")
    assert (answer.code, answer.body) == (503, b"Application is stopping\n")


async def test_metrics_hand_the_accept_header_on(served: Served) -> None:
    answer = await served.fetch("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.body.startswith(b"# accept application/openmetrics-text\n")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert served.operations.counted_by not in (0, threading.get_ident())  # many tenants' hold nobody up


@pytest.mark.parametrize(
    ("path", "method", "status", "flushed"),
    [
        ("/flush", "GET", 204, [None]),
        ("/flush", "POST", 204, [None]),
        ("/flush?tenant=single-tenant", "DELETE", 204, ["single-tenant"]),
        ("/flush?tenant=nobody", "GET", 404, []),
    ],
)
async def test_flush(served: Served, path: str, method: str, status: int, flushed: list[str | None]) -> None:
    answer = await served.fetch(path, method)
    assert (answer.code, answer.body, served.operations.flushed) == (status, b"", flushed)


async def test_shutdown(served: Served) -> None:
    answer = await served.fetch("/shutdown")
    assert (answer.code, answer.body, served.operations.is_shut_down) == (200, b"shutdown job acknowledged", True)
