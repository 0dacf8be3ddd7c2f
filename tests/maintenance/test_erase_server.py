"""A server hides what is erased beside it at once, and in the end no file of its data folder holds it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner, Result

from storage.block_store import BlockStore
from storage.local_objects import LocalStore
from tempo_dask.cli.main import app
from tempo_dask.ingest.tenants import SINGLE_TENANT
from tempo_dask.maintenance.erase import hide_traces
from tests.ingest.numbered import START_NS, body
from tests.serving import ServerProcess

SECOND_NS = 10**9
EVERYWHERE = {"search", "trace", "metrics", "span.secret", "resource.owner"}


def secret_body(trace_id: bytes, secret: str, number: int) -> bytes:
    """Return a request with a span of a trace whose resource and attributes hold a secret."""
    request = ExportTraceServiceRequest.FromString(body([number]))
    resource_spans = request.resource_spans[0]
    resource_spans.resource.attributes.add(key="owner").value.string_value = secret
    [span] = resource_spans.scope_spans[0].spans
    span.trace_id = trace_id
    span.attributes.add(key="secret").value.string_value = secret
    span.events.add(name="said").attributes.add(key="what").value.string_value = secret
    return request.SerializeToString()


def erase(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["blocks", "erase", "--data-dir", str(data_dir), *arguments])


def shown(server: ServerProcess, trace_id: bytes) -> set[str]:
    """Return by which questions a trace, its attributes or its spans are found."""
    window = {"start": START_NS // SECOND_NS - 10, "end": START_NS // SECOND_NS + 10}
    found = server.ask("/api/search", q="{ }", limit=1000, **window).json["traces"]
    tags = ("span.secret", "resource.owner")
    values = {name: server.ask(f"/api/v2/search/tag/{name}/values", **window).json["tagValues"] for name in tags}
    series = server.ask("/api/metrics/query_range", q="{ span.secret != nil } | rate()", step="1s", **window).json
    answers = {
        "search": any(int(each["traceID"], 16) == int.from_bytes(trace_id, "big") for each in found),
        "trace": server.ask(f"/api/traces/{trace_id.hex()}").status != 404,
        "metrics": any(sample.get("value") for each in series["series"] for sample in each["samples"]),
        **{name: bool(found) for name, found in values.items()},
    }
    return {name for name, is_shown in answers.items() if is_shown}


def holders(data_dir: Path, *secrets: bytes) -> list[Path]:
    """Return the files that hold any of some bytes."""
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    return [path for path in files if any(secret in path.read_bytes() for secret in secrets)]


def test_erased_beside_a_server(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    trace_id, secret = uuid.uuid4().bytes, f"secret-{uuid.uuid4()}"
    with ServerProcess(data_dir) as server:
        server.load([body(range(20)), secret_body(trace_id, secret, 100)])
        server.flush()
        server.load([secret_body(trace_id, secret, 101), body(range(20, 30))])
        assert shown(server, trace_id) == EVERYWHERE
        blocks = BlockStore(LocalStore(data_dir / "blocks"))
        hide_traces(blocks, SINGLE_TENANT, [trace_id], grace_s=1)
        assert shown(server, trace_id) == set()
        assert holders(data_dir, trace_id, secret.encode())
        done = erase(data_dir, "--resume")
        assert (done.exit_code, done.output.splitlines()[-1]) == (0, "gone"), done.output
        assert holders(data_dir, trace_id, trace_id.hex().encode(), secret.encode()) == []
        assert shown(server, trace_id) == set()
        server.load([secret_body(trace_id, secret, 102)])  # it is new, and kept
        assert shown(server, trace_id) == EVERYWHERE


@pytest.mark.slow
def test_erased_after_a_server_died(tmp_path: Path) -> None:
    """What its write-ahead log alone holds is found by a query, and is gone when it starts again."""
    data_dir = tmp_path / "data"
    trace_id, secret = uuid.uuid4().bytes, f"secret-{uuid.uuid4()}"
    with ServerProcess(data_dir) as server:
        server.load([body(range(20)), secret_body(trace_id, secret, 100)])
        server.kill()
        assert holders(data_dir, secret.encode())
        done = erase(data_dir, "--query", f'{{ span.secret = "{secret}" }}', "--yes", "--grace", "0")
        assert (done.exit_code, done.output.splitlines()[-1]) == (0, "gone"), done.output
        assert holders(data_dir, trace_id, secret.encode()) == []
        server.start()
        assert shown(server, trace_id) == set()
        assert server.ask("/api/traces/" + (3).to_bytes(16, "big").hex()).status == 200
