"""Real traces through a real server: right counts and whole traces, live, in blocks, and after kill -9."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.end_to_end.recorded import Facts, facts_of, requests_of, without_most_traces
from tests.otlp_oracle import Span, by_id, requests_to_spans
from tests.serving import ServerProcess

FILES = ("astronomy-shop.otlp.pb.gz", "hipster-shop.otlp.pb.gz")
#: Of every so many traces one is compared field by field; the slow test compares all.
SAMPLE = 997
#: So many conditions are asked in every stage, metrics count all spans; the slow test asks all, and for all traces.
FEW = 1
#: What happens to the server, in this order: after each step every answer must be the same.
STEPS = ("live", "killed while live", "flushed", "killed after the flush")
MOST_TRACES = 262_144


@pytest.fixture(scope="module")
def sent(shared: Path) -> Mapping[str, Sequence[bytes]]:
    """Return the requests of each file."""
    return {name: list(requests_of(shared / "data" / name)) for name in FILES}


@pytest.fixture(scope="module")
def sampled(sent: Mapping[str, Sequence[bytes]]) -> Mapping[str, Sequence[Span]]:
    """Return all spans of some traces of each file."""
    return {name: requests_to_spans(without_most_traces(bodies, SAMPLE)) for name, bodies in sent.items()}


@pytest.fixture(scope="module")
def running(sent: Mapping[str, Sequence[bytes]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Return a server that has taken all files."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as server:
        for bodies in sent.values():
            server.load(bodies)
        yield server


@pytest.fixture(scope="module", params=STEPS)
def server(running: ServerProcess, request: pytest.FixtureRequest) -> ServerProcess:
    """Return the server after the next step."""
    if request.param == "flushed":
        running.flush()
    if request.param.startswith("killed"):
        running.kill()
        running.start()
    return running


def count(server: ServerProcess, facts: Facts, query: str) -> tuple[int, int]:
    """Return how many spans and traces match within the time of a file."""
    answer = server.ask("/api/search", q=query, start=facts.start_s, end=facts.end_s, limit=MOST_TRACES, spss=1)
    assert answer.status == 200, answer.text
    traces = answer.json["traces"]
    return sum(s["matched"] for t in traces for s in t["spanSets"]), len(traces)


@pytest.mark.parametrize("name", FILES)
def test_conditions_match_as_often_as_plain_loops_found(shared: Path, server: ServerProcess, name: str) -> None:
    facts = facts_of(shared, name)
    assert_counts(server, facts, dict(list(facts.matches.items())[:FEW]))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_condition_matches_as_often_as_plain_loops_found(shared: Path, server: ServerProcess, name: str) -> None:
    facts = facts_of(shared, name)
    assert_counts(server, facts, {"{ }": (facts.spans, facts.traces), **facts.matches})


def assert_counts(server: ServerProcess, facts: Facts, matches: Mapping[str, tuple[int, int]]) -> None:
    """Hold the matches of conditions against what plain loops found."""
    assert matches
    assert {query: count(server, facts, query) for query in matches} == matches


@pytest.mark.parametrize("name", FILES)
def test_metrics_count_every_span_once(shared: Path, server: ServerProcess, name: str) -> None:
    facts = facts_of(shared, name)
    answer = server.ask(
        "/api/metrics/query_range",
        q="{ } | count_over_time() by (resource.service.name)",
        start=facts.start_s - 60,
        end=facts.end_s + 60,
        step="60",
    )
    assert answer.status == 200, answer.text
    counted = {
        series["labels"][0]["value"]["stringValue"]: sum(sample.get("value", 0) for sample in series["samples"])
        for series in answer.json["series"]
    }
    assert counted == facts.services


@pytest.mark.parametrize("name", FILES)
def test_a_trace_is_returned_as_it_was_sent(
    sampled: Mapping[str, Sequence[Span]], server: ServerProcess, name: str
) -> None:
    assert_returned_as_sent(server, sampled[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_trace_is_returned_as_it_was_sent(
    sent: Mapping[str, Sequence[bytes]], server: ServerProcess, name: str
) -> None:
    assert_returned_as_sent(server, requests_to_spans(sent[name]))


def assert_returned_as_sent(server: ServerProcess, spans: Sequence[Span]) -> None:
    """Hold traces, field by field, against what was sent."""
    traces: dict[bytes, list[Span]] = defaultdict(list)
    for span in spans:
        traces[span.trace_id].append(span)
    assert len(traces) > 5
    for trace_id, wanted in traces.items():
        answer = server.ask(f"/api/traces/{trace_id.hex()}", accept="application/protobuf")
        assert answer.status == 200, trace_id.hex()
        assert by_id(requests_to_spans([answer.body])) == by_id(wanted)
