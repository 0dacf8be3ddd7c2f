"""What Grafana sends: its Tempo data source, in its order, and the queries of Traces Drilldown.

Grafana reads JSON strictly: a field that its messages do not have is an error to it. So all JSON is parsed that way.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import Parse
from google.protobuf.message import Message
from grpc_tools import protoc

from tempo_dask.api.pb import tempo_pb2 as pb
from tempo_dask.api.pb.__main__ import SOURCE, otlp_descriptors
from tests.conformance import streams
from tests.serving import ServerProcess

START_S, END_S = 1767225600, 1767229200
WINDOW: dict[str, Any] = {"start": START_S, "end": END_S}
NANOSECONDS: dict[str, Any] = {"start": START_S * 10**9, "end": END_S * 10**9}
ROOTS = "{nestedSetParent<0 && true}"

DRILLDOWN_RANGES = (
    f"{ROOTS} | rate()",
    f"{ROOTS} | rate() by(resource.service.name)",
    "{nestedSetParent<0 && true && status=error} | rate() by(name)",
    f"{ROOTS} | histogram_over_time(duration)",
    f"{ROOTS} | quantile_over_time(duration, 0.9) by(resource.service.name)",
    f"{ROOTS} | compare({{status = error}})",
)
DRILLDOWN_STRUCTURE = (
    "{nestedSetParent<0 && true} &>> { kind = server } "
    "| select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)"
)


@pytest.fixture(scope="module")
def channel(recorded_server: ServerProcess) -> Iterator[grpc.Channel]:
    """To the port of HTTP, where Grafana streams."""
    with grpc.insecure_channel(recorded_server.addresses["http"]) as found:
        yield found


def told(channel: grpc.Channel, method: str, request: dict[str, Any]) -> list[Any]:
    """Return the messages of a stream."""
    request_type, response_type = streams.METHODS[method]
    call = channel.unary_stream(f"/{streams.SERVICE}/{method}", response_deserializer=response_type.FromString)
    return list(call(request_type(**request).SerializeToString(), timeout=300))


def strictly(server: ServerProcess, path: str, message: Message, **parameters: object) -> Any:
    """Return an answer in JSON as Grafana parses it."""
    answer = server.ask(path, **parameters)
    assert (answer.status, answer.content_type) == (200, "application/json"), answer.text
    return Parse(answer.text, message)


def alike(left: dict[Any, float], right: dict[Any, float]) -> bool:
    return left.keys() == right.keys() and all(
        math.isclose(value, right[key], rel_tol=1e-9, abs_tol=1e-12) for key, value in left.items()
    )


def test_save_and_test(recorded_server: ServerProcess, channel: grpc.Channel) -> None:
    """First over HTTP, then by a stream over the same port."""
    assert recorded_server.ask("/api/echo").text == "echo\n"
    assert "version" in recorded_server.ask("/api/status/buildinfo").json
    [message] = told(channel, "Search", {"Query": "{}", "Limit": 1, **WINDOW})
    assert len(message.traces) == 1


def test_tags_and_values(recorded_server: ServerProcess, channel: grpc.Channel) -> None:
    whole = strictly(recorded_server, "/api/v2/search/tags", pb.SearchTagsV2Response(), limit=5000, **WINDOW)
    streamed = told(channel, "SearchTagsV2", {"maxTagsPerScope": 5000, **WINDOW})
    assert streams.merged("SearchTagsV2", [whole]) == streams.merged("SearchTagsV2", streamed)
    for tag in ("resource.service.name", "name", "status"):
        path, parameters = f"/api/v2/search/tag/{tag}/values", {"limit": 5000, "q": "{}", **WINDOW}
        values = strictly(recorded_server, path, pb.SearchTagValuesV2Response(), **parameters)
        assert values.tagValues
        parts = told(channel, "SearchTagValuesV2", {"tagName": tag, "query": "{}", **WINDOW})
        assert streams.merged("SearchTagValuesV2", parts) == streams.merged("SearchTagValuesV2", [values])
        assert sum(len(part.tagValues) for part in parts) == len(values.tagValues)


@pytest.mark.parametrize("query", ["{}", '{resource.service.name="cart" && status=error}', DRILLDOWN_STRUCTURE])
def test_search(recorded_server: ServerProcess, channel: grpc.Channel, query: str) -> None:
    parameters = {"q": query, "limit": 200, "spss": 20, **WINDOW}
    whole = strictly(recorded_server, "/api/search", pb.SearchResponse(), **parameters)
    parts = told(channel, "Search", {"Query": query, "Limit": 200, "SpansPerSpanSet": 20, **WINDOW})
    assert whole.traces
    assert [trace.traceID for part in parts for trace in part.traces] == [trace.traceID for trace in whole.traces]
    assert streams.merged("Search", parts) == streams.merged("Search", [whole])
    for last in (parts[-1], whole):  # live chunks may merge between the two, so their numbers may differ
        assert last.metrics.completedJobs == last.metrics.totalJobs > 0


def test_structure_has_what_drilldown_builds_trees_of(recorded_server: ServerProcess) -> None:
    parameters = {"q": DRILLDOWN_STRUCTURE, "limit": 200, "spss": 20, **WINDOW}
    found = strictly(recorded_server, "/api/search", pb.SearchResponse(), **parameters)
    spans = [span for trace in found.traces for one in trace.spanSets for span in one.spans]
    for span in spans:
        keys = {attribute.key for attribute in span.attributes}
        assert {"nestedSetParent", "nestedSetLeft", "nestedSetRight", "status", "service.name"} <= keys
        assert span.name


def test_trace_by_id(recorded_server: ServerProcess) -> None:
    """By protobuf of the second version, and of the first where there is none."""
    found = strictly(recorded_server, "/api/search", pb.SearchResponse(), q="{}", limit=1, **WINDOW)
    trace_id = found.traces[0].traceID
    protobuf = "application/protobuf"
    second = recorded_server.ask(f"/api/v2/traces/{trace_id}", accept=protobuf, **WINDOW)
    first = recorded_server.ask(f"/api/traces/{trace_id}", accept=protobuf, **WINDOW)
    assert {second.content_type, first.content_type} == {protobuf}
    trace = pb.TraceByIDResponse.FromString(second.body).trace
    assert trace == pb.Trace.FromString(first.body)
    assert trace.resourceSpans
    unknown = recorded_server.ask(f"/api/v2/traces/{'ab' * 16}", accept=protobuf)
    assert (unknown.status, pb.TraceByIDResponse.FromString(unknown.body).trace.resourceSpans[:]) == (200, [])
    assert recorded_server.ask(f"/api/traces/{'ab' * 16}", accept=protobuf).status == 404


@pytest.mark.parametrize("query", DRILLDOWN_RANGES)
def test_ranges(recorded_server: ServerProcess, channel: grpc.Channel, query: str) -> None:
    whole = strictly(
        recorded_server,
        "/api/metrics/query_range",
        pb.QueryRangeResponse(),
        q=query,
        step="60s",
        exemplars=10,
        **WINDOW,
    )
    assert whole.series
    asked = {"query": query, "step": 60 * 10**9, "exemplars": 10, **NANOSECONDS}
    parts = told(channel, "MetricsQueryRange", asked)
    samples = [
        (str(one.labels), sample.timestamp_ms) for part in parts for one in part.series for sample in one.samples
    ]
    assert len(samples) == len(set(samples))
    assert alike(streams.merged("MetricsQueryRange", parts), streams.merged("MetricsQueryRange", [whole]))
    assert sum(len(one.exemplars) for part in parts for one in part.series) == sum(
        len(one.exemplars) for one in whole.series
    )


def test_hints_of_exemplars_go_before_the_parameter(recorded_server: ServerProcess) -> None:
    def shown(query: str, **parameters: object) -> int:
        path, found = "/api/metrics/query_range", pb.QueryRangeResponse()
        strictly(recorded_server, path, found, q=query, step="60s", **parameters, **WINDOW)
        return sum(len(one.exemplars) for one in found.series)

    assert shown("{} | rate()", exemplars=7) == 7
    assert shown("{} | rate() with (exemplars=3)", exemplars=7) == 3
    assert shown("{} | rate() with (exemplars=true)", exemplars=7) == 7
    assert shown("{} | rate() with (exemplars=false)", exemplars=7) == 0
    assert 7 < shown("{} | rate()") <= 100


def test_more_series_than_wanted_are_a_partial_answer(recorded_server: ServerProcess) -> None:
    found = pb.QueryRangeResponse()
    query = "{} | rate() by (name)"
    strictly(recorded_server, "/api/metrics/query_range", found, q=query, step="60s", maxSeries=2, **WINDOW)
    assert (len(found.series), found.status) == (2, pb.PARTIAL)
    assert found.message.startswith("Response exceeds maximum series limit of 2, a partial response is returned.")


@pytest.mark.parametrize("query", [f"{ROOTS} | rate()", f"{ROOTS} | quantile_over_time(duration, .5) by(kind)"])
def test_instants(recorded_server: ServerProcess, channel: grpc.Channel, query: str) -> None:
    whole = strictly(recorded_server, "/api/metrics/query", pb.QueryInstantResponse(), q=query, **WINDOW)
    assert whole.series
    parts = told(channel, "MetricsQueryInstant", {"query": query, **NANOSECONDS})
    assert alike(streams.merged("MetricsQueryInstant", parts[-1:]), streams.merged("MetricsQueryInstant", [whole]))


def test_recorded_streams_agree_over_the_port_of_both(channel: grpc.Channel, shared: Path) -> None:
    """Which three of a trace's spans are shown, nobody promises (G12)."""
    found = dict(streams.differences(channel, streams.recorded_calls(shared)))
    assert found.keys() <= {"G12"}, found


CLIENT = """
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import tempo_pb2
import tempo_pb2_grpc

address, start, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with grpc.insecure_channel(address) as channel:
    stub = tempo_pb2_grpc.StreamingQuerierStub(channel)

    def search(number):
        request = tempo_pb2.SearchRequest(Query="{}", Limit=10 + number % 3, start=start, end=end)
        return sum(len(part.traces) for part in stub.Search(request, timeout=300))

    with ThreadPoolExecutor(50) as pool:
        print(sum(pool.map(search, range(50))))
    for tag in stub.SearchTagsV2(tempo_pb2.SearchTagsRequest(start=start, end=end)):
        print(*(scope.name for scope in tag.scopes))
"""


def test_a_stranger_with_our_proto_runs_fifty_streams(recorded_server: ServerProcess, tmp_path: Path) -> None:
    """Stubs are made of the `.proto` alone, and used in a process that has nothing else of ours."""
    (tmp_path / "tempo.proto").write_text(SOURCE.read_text())
    (tmp_path / "imports.binpb").write_bytes(otlp_descriptors())
    out = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    arguments = [f"--descriptor_set_in={tmp_path}/imports.binpb", f"-I{tmp_path}", *out, f"{tmp_path}/tempo.proto"]
    assert protoc.main(["protoc", *arguments]) == 0
    (tmp_path / "client.py").write_text(CLIENT)
    command = [sys.executable, "client.py", recorded_server.addresses["http"], str(START_S), str(END_S)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    count, scopes = run.stdout.splitlines()[0], run.stdout.splitlines()[1:]
    assert int(count) == 17 * 10 + 17 * 11 + 16 * 12
    assert {"resource", "span", "intrinsic"} <= set(" ".join(scopes).split())
