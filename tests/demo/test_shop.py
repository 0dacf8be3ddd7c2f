"""The made-up shop: what it sends is OTLP, and believable."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tempo_dask.demo.services import BAD_VERSION, DEPLOYED, SERVICES
from tempo_dask.demo.shop import BACKLOG, DEPLOYED_AT, ROLLED_BACK_AT, generate

HOUR_NS = 3_600 * 10**9
END_NS = 1_767_229_200 * 10**9
SPANS = 20_000


@dataclass(frozen=True)
class Seen:
    """A span as it was sent, with the attributes of its resource and the name of its scope."""

    span: Span
    resource: dict[str, AnyValue]
    scope: str

    @property
    def service(self) -> str:
        return self.resource["service.name"].string_value

    @property
    def attributes(self) -> dict[str, AnyValue]:
        return {pair.key: pair.value for pair in self.span.attributes}


@pytest.fixture(scope="module")
def bodies() -> list[bytes]:
    return list(generate(SPANS, end_ns=END_NS, span_of_time_ns=HOUR_NS, seed=7))


@pytest.fixture(scope="module")
def seen(bodies: list[bytes]) -> list[Seen]:
    return [
        Seen(span, {pair.key: pair.value for pair in group.resource.attributes}, scope.scope.name)
        for body in bodies
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


@pytest.fixture(scope="module")
def traces(seen: list[Seen]) -> dict[bytes, dict[bytes, Seen]]:
    traces: dict[bytes, dict[bytes, Seen]] = defaultdict(dict)
    for one in seen:
        traces[one.span.trace_id][one.span.span_id] = one
    return traces


def test_as_many_spans_as_asked_in_whole_traces(seen: list[Seen]) -> None:
    assert SPANS <= len(seen) < SPANS + 400


def test_ids_are_whole_and_no_span_is_there_twice(seen: list[Seen]) -> None:
    assert {(len(one.span.trace_id), len(one.span.span_id)) for one in seen} == {(16, 8)}
    assert len({(one.span.trace_id, one.span.span_id) for one in seen}) == len(seen)


def test_every_parent_is_in_its_trace_and_each_trace_has_one_root(traces: dict[bytes, dict[bytes, Seen]]) -> None:
    for trace in traces.values():
        parents = [one.span.parent_span_id for one in trace.values()]
        assert parents.count(b"") == 1
        assert all(parent in trace for parent in parents if parent)


def test_children_lie_within_their_parents_and_all_within_the_hour(traces: dict[bytes, dict[bytes, Seen]]) -> None:
    for trace in traces.values():
        for one in trace.values():
            span = one.span
            parent = trace[span.parent_span_id].span if span.parent_span_id else span
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.start_time_unix_nano <= span.end_time_unix_nano <= parent.end_time_unix_nano
            assert span.start_time_unix_nano >= END_NS - HOUR_NS
            assert span.end_time_unix_nano <= END_NS
            for event in span.events:
                assert span.start_time_unix_nano <= event.time_unix_nano <= span.end_time_unix_nano


def test_no_marker_of_a_template_is_left(bodies: list[bytes]) -> None:
    assert not any(b"\xfe\xfd\xfc" in body or "\ue000".encode() in body for body in bodies)


def test_every_service_takes_part_and_a_trace_crosses_several(seen: list[Seen], traces: dict) -> None:
    assert {one.service for one in seen} == {service.name for service in SERVICES}
    assert max(len({one.service for one in trace.values()}) for trace in traces.values()) >= 8
    assert len({one.scope for one in seen}) >= len(SERVICES)


def test_shapes_differ(traces: dict[bytes, dict[bytes, Seen]]) -> None:
    sizes = Counter(map(len, traces.values()))
    assert sizes[1] > 0
    assert max(sizes) > 40
    assert len(sizes) > 20
    assert max(_depth(trace) for trace in traces.values()) >= 12


def test_values_of_every_kind(seen: list[Seen]) -> None:
    kinds = {value.WhichOneof("value") for one in seen for value in one.attributes.values()}
    kinds |= {pair.value.WhichOneof("value") for one in seen for event in one.span.events for pair in event.attributes}
    assert kinds >= {"string_value", "int_value", "double_value", "bool_value", "array_value", "bytes_value"}
    assert {one.span.kind for one in seen} == {1, 2, 3, 4, 5}


def test_consumers_link_to_producers(seen: list[Seen], traces: dict[bytes, dict[bytes, Seen]]) -> None:
    links = [link for one in seen for link in one.span.links]
    known = [traces[link.trace_id][link.span_id] for link in links if link.trace_id in traces]
    assert len(known) > 20
    assert len({link.trace_id for link in links if link.trace_id not in traces}) <= BACKLOG
    assert {one.span.kind for one in known} == {Span.SPAN_KIND_PRODUCER}


def test_a_consumer_comes_after_its_producer(seen: list[Seen], traces: dict[bytes, dict[bytes, Seen]]) -> None:
    late = 0
    for one in seen:
        for link in one.span.links:
            if link.trace_id in traces:
                producer = traces[link.trace_id][link.span_id].span
                late += one.span.start_time_unix_nano < producer.start_time_unix_nano
    assert late == 0


def test_a_few_percent_fail_with_an_exception(seen: list[Seen]) -> None:
    failed = [one for one in seen if one.span.status.code == Status.STATUS_CODE_ERROR]
    assert 0.002 < len(failed) / len(seen) < 0.08
    assert any(event.name == "exception" for one in failed for event in one.span.events)


def test_the_bad_version_can_be_found(seen: list[Seen]) -> None:
    charges = [one for one in seen if one.service == DEPLOYED and one.span.kind == Span.SPAN_KIND_SERVER]
    bad = [one for one in charges if one.resource["service.version"].string_value == BAD_VERSION]
    others = [one for one in charges if one.resource["service.version"].string_value != BAD_VERSION]
    assert min(len(bad), len(others)) > 10
    assert _failed(bad) > 4 * _failed(others)
    assert _median_s(bad) > 10 * _median_s(others)
    for one in bad:
        part = (one.span.start_time_unix_nano - (END_NS - HOUR_NS)) / HOUR_NS
        assert DEPLOYED_AT - 0.01 < part < ROLLED_BACK_AT + 0.01


def test_the_same_seed_gives_the_same_bytes_and_another_others() -> None:
    first, again, other = (list(generate(500, end_ns=END_NS, span_of_time_ns=HOUR_NS, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_window_shorter_than_a_trace_still_starts_within_it() -> None:
    for body in generate(200, end_ns=END_NS, span_of_time_ns=1, seed=3):
        request = ExportTraceServiceRequest.FromString(body)
        assert request.resource_spans


def _failed(charges: list[Seen]) -> float:
    return sum(one.span.status.code == Status.STATUS_CODE_ERROR for one in charges) / len(charges)


def _median_s(charges: list[Seen]) -> float:
    lengths = sorted(one.span.end_time_unix_nano - one.span.start_time_unix_nano for one in charges)
    return lengths[len(lengths) // 2] / 1e9


def _depth(trace: dict[bytes, Seen]) -> int:
    depth = 0
    for one in trace.values():
        steps, parent = 1, one.span.parent_span_id
        while parent:
            steps, parent = steps + 1, trace[parent].span.parent_span_id
        depth = max(depth, steps)
    return depth
