"""What the server counts stands under Tempo's names."""

from __future__ import annotations

from tests.ingest.numbered import body
from tests.serving import ServerProcess

RECEIVER = '{receiver="otlp/otlp_receiver",transport="http"}'
TENANT = '{tenant="single-tenant"}'


def samples(server: ServerProcess) -> dict[str, float]:
    lines = server.ask("/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_spans_and_bytes_are_counted(server: ServerProcess) -> None:
    server.push(body([1]))
    server.push(b"\xff")
    before = samples(server)
    server.push(body(range(10)))
    server.push(b"")
    server.push(b"\xff")
    after = samples(server)
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    assert grown[f"tempo_receiver_accepted_spans{RECEIVER}"] == 10
    assert grown[f"tempo_receiver_refused_spans{RECEIVER}"] == 0
    assert grown[f"tempo_distributor_spans_received_total{TENANT}"] == 10
    assert grown[f"tempo_distributor_bytes_received_total{TENANT}"] == len(body(range(10)))
    assert after["tempo_dask_kernel_compilations_total"] == 0


def test_openmetrics_is_spoken(server: ServerProcess) -> None:
    answer = server.ask("/metrics", accept="application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
