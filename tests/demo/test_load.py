"""Loading recorded files: every form, every way to fail, and patience with a busy server."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tempo_dask.demo.shop import generate
from tempo_dask.load import LoadReport, load_files
from tempo_dask.recorded import UnreadableFile, read_requests
from tests.demo.fake_receiver import FakeReceiver, receiving

OTLP_JSON = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "a"}, {"name": "b"}]}]}, {"scopeSpans": None}]}


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def bodies() -> list[bytes]:
    return list(generate(300, end_ns=10**18, span_of_time_ns=10**12, seed=5, spans_per_batch=50))


def spans_in(body: bytes) -> int:
    request = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)


def records(bodies: list[bytes]) -> bytes:
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def load(paths: list[Path], receiver: FakeReceiver) -> LoadReport:
    return load_files(paths, receiver.url, quiet=True)


@pytest.mark.parametrize("name", ["shop.otlp.pb.gz", "shop.rec.gz", "shop.rec"])
def test_records_are_sent_one_by_one(tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(records(bodies)) if name.endswith("gz") else records(bodies))
    report = load([path], receiver)
    assert report == LoadReport(len(bodies), sum(map(spans_in, bodies)), 0)
    assert sorted(receiver.taken) == sorted(("application/x-protobuf", body) for body in bodies)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_one_protobuf_request(
    tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "one.pb"
    path.write_bytes(pack(bodies[0]))
    assert load([path], receiver) == LoadReport(1, spans_in(bodies[0]), 0)
    assert receiver.taken == [("application/x-protobuf", bodies[0])]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("text", "objects"),
    [
        (json.dumps(OTLP_JSON, indent=2), 1),
        (json.dumps(OTLP_JSON), 1),
        (f"{json.dumps(OTLP_JSON)}\n\n{json.dumps(OTLP_JSON)}\n", 2),
    ],
    ids=["pretty", "one", "lines"],
)
def test_json(tmp_path: Path, receiver: FakeReceiver, pack: Callable[[bytes], bytes], text: str, objects: int) -> None:
    path = tmp_path / "traces.json"
    path.write_bytes(pack(text.encode()))
    assert load([path], receiver) == LoadReport(objects, 2 * objects, 0)
    assert [json.loads(body) for _, body in receiver.taken] == [OTLP_JSON] * objects
    assert {media_type for media_type, _ in receiver.taken} == {"application/json"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"Once upon a time", "expected protobuf, JSON or length-prefixed records"),
        (b"\x0a\xff\xff", "expected an ExportTraceServiceRequest as protobuf"),
        (b"\x00\x00\x00\x09\x0a\x02", "ends within a record: expected 9 bytes, found 2"),
        (b"\x00\x00", "ends within a record"),
        (b'{"resourceSpans": [', "expected an ExportTraceServiceRequest as OTLP/JSON"),
        (b'{"resourceSpans": 3}', "expected `resourceSpans` to be a list, found int"),
        (b'{"resourceSpans": [7]}', "expected an object with `scopeSpans`, found int"),
        (gzip.compress(b"\x0a\x00" * 99, mtime=0)[:-9], "gzip stream is cut short"),
    ],
)
def test_a_file_that_is_something_else_is_named_with_what_was_expected(
    tmp_path: Path, receiver: FakeReceiver, content: bytes, says: str
) -> None:
    path = tmp_path / "odd.bin"
    path.write_bytes(content)
    report = load([path], receiver)
    assert (report.requests, report.failed) == (0, 1)
    assert str(path) in report.errors[0]
    assert says in report.errors[0]


def test_a_missing_file_does_not_stop_the_others(tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver) -> None:
    there = tmp_path / "there.pb"
    there.write_bytes(bodies[0])
    report = load([tmp_path / "absent.pb", tmp_path, there], receiver)
    assert (report.requests, report.failed) == (1, 2)
    assert "No such file" in report.errors[0]
    assert "Is a directory" in report.errors[1]


def test_what_came_before_the_damage_is_sent(tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver) -> None:
    path = tmp_path / "cut.rec"
    path.write_bytes(records(bodies[:3])[:-1])
    report = load([path], receiver)
    assert (report.requests, report.failed) == (2, 1)
    assert "request 2" in report.errors[0] or "request 3" in report.errors[0]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_said(
    tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver, status: int
) -> None:
    receiver.answers.append((status, {"Retry-After": "1"}, b"later"))
    path = tmp_path / "one.pb"
    path.write_bytes(bodies[0])
    started = time.monotonic()
    assert load([path], receiver) == LoadReport(1, spans_in(bodies[0]), 0)
    assert time.monotonic() - started >= 1.0
    assert receiver.requests == 2


def test_a_date_to_come_back_at_is_understood(tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver) -> None:
    receiver.answers.append((503, {"Retry-After": formatdate(time.time() - 60, usegmt=True)}, b""))
    receiver.answers.append((503, {"Retry-After": "soon"}, b""))
    path = tmp_path / "one.pb"
    path.write_bytes(bodies[0])
    assert load([path], receiver).failed == 0


def test_a_refused_request_is_counted_and_quoted(tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver) -> None:
    receiver.answers.append((400, {}, b"unmarshal: invalid TraceID length"))
    path = tmp_path / "shop.rec"
    path.write_bytes(records(bodies))
    report = load([path], receiver)
    assert (report.requests, report.failed) == (len(bodies) - 1, 1)
    assert "the server answered 400: unmarshal: invalid TraceID length" in report.errors[0]
    assert str(path) in report.errors[0]


def test_spans_that_the_server_left_out_are_a_failure(
    tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver
) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 4
    answer.partial_success.error_message = "too long"
    receiver.answers.append((200, {}, answer.SerializeToString()))
    path = tmp_path / "one.pb"
    path.write_bytes(bodies[0])
    assert "left out 4 spans: too long" in load([path], receiver).errors[0]


def test_spans_left_out_are_told_in_json_too(tmp_path: Path, receiver: FakeReceiver) -> None:
    receiver.answers.append((200, {}, b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no"}}'))
    path = tmp_path / "one.json"
    path.write_text(json.dumps(OTLP_JSON))
    assert "left out 2 spans: no" in load([path], receiver).errors[0]


def test_nobody_at_the_address(tmp_path: Path, bodies: list[bytes]) -> None:
    path = tmp_path / "shop.rec"
    path.write_bytes(records(bodies))
    with receiving() as gone:
        url = gone.url
    report = load_files([path], url, quiet=True)
    assert (report.requests, report.failed) == (0, 1)
    assert f"{url}: no answer" in report.errors[0]
    assert "is a server running there?" in report.errors[0]


@pytest.mark.parametrize("url", ["127.0.0.1:4318", "ftp://127.0.0.1"])
def test_an_address_that_is_none(tmp_path: Path, bodies: list[bytes], url: str) -> None:
    path = tmp_path / "one.pb"
    path.write_bytes(bodies[0])
    assert "expected an address such as" in load_files([path], url, quiet=True).errors[0]


def test_the_path_of_otlp_may_be_given_or_not(tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver) -> None:
    path = tmp_path / "one.pb"
    path.write_bytes(bodies[0])
    assert load_files([path], f"{receiver.url}/v1/traces", quiet=True).requests == 1


def test_connections_are_kept_and_no_more_than_allowed(
    tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver
) -> None:
    path = tmp_path / "shop.rec"
    path.write_bytes(records(bodies * 10))
    assert load_files([path], receiver.url, connections=3, quiet=True).failed == 0
    assert receiver.requests == 10 * len(bodies)
    assert receiver.connections <= 3


def test_the_summary_and_the_bar_are_printed(
    tmp_path: Path, bodies: list[bytes], receiver: FakeReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.answers.append((400, {}, b"[odd] answer"))
    path = tmp_path / "one.pb"
    path.write_bytes(bodies[0])
    load_files([path], receiver.url)
    printed = capsys.readouterr().err
    assert "0 requests with 0 spans loaded" in printed
    assert "[odd] answer" in printed


@given(content=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(content)
    with suppress(UnreadableFile):
        assert all(request.spans >= 0 for request in read_requests(path))


@pytest.mark.parametrize("name", ["small.otlp.pb.gz", "essvt.otlp.pb.gz"])
def test_recorded_traces_count_as_the_facts_say(shared: Path, name: str) -> None:
    facts = json.loads((shared / "data" / "facts.json").read_text())
    requests = list(read_requests(shared / "data" / name))
    spans = sum(request.spans for request in requests)
    assert len(requests) == facts[name]["requests"]
    assert spans == facts[name]["spans"]


def test_recorded_json_holds_what_its_protobuf_holds(shared: Path) -> None:
    lines = list(read_requests(shared / "data" / "samples" / "otlp-json" / "essvt.otlp.jsonl.gz"))
    protobuf = list(read_requests(shared / "data" / "essvt.otlp.pb.gz"))
    assert [request.spans for request in lines] == [request.spans for request in protobuf]
