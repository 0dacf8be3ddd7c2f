"""A server without tenants: whose name a request bears means nothing, and where a trace lies can be asked for."""

from __future__ import annotations

from urllib.request import Request, urlopen

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from tests.ingest.numbered import START_NS, body
from tests.serving import ServerProcess

PROTOBUF = "application/protobuf"


def fetch(url: str, data: bytes | None = None, **headers: str) -> bytes:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with urlopen(Request(url, data, names), timeout=60) as answer:
        assert answer.status == 200
        return answer.read()


def test_the_tenants_header_means_nothing(server: ServerProcess) -> None:
    """Even names that no tenant may have pass; all lies below `single-tenant`."""
    to = f"http://{server.addresses['otlp_http']}/v1/traces"
    fetch(to, body([6_000_000]), X_Scope_OrgID="a/b", Content_Type="application/x-protobuf")
    url = f"{server.url}/api/traces/{6_000_000 // 3 + 1:x}"
    assert fetch(url, X_Scope_OrgID="..") == fetch(url, X_Scope_OrgID="other") == fetch(url)
    server.flush()
    folders = {path.name for path in (server.data_dir / "blocks").iterdir() if not path.name.startswith("~")}
    assert folders == {"single-tenant"}


def test_where_a_trace_lies_can_be_asked_for(server: ServerProcess) -> None:
    """Of a trace of two spans one is in a block by now, the other one still live."""
    server.load([body([9_000_000])])
    server.flush()
    server.load([body([9_000_001])])
    path = f"/api/traces/{9_000_000 // 3 + 1:x}"
    found = {}
    for mode in ("", "all", "blocks", "ingesters"):
        trace = TracesData.FromString(server.ask(path, accept=PROTOBUF, mode=mode).body)
        spans = [span for group in trace.resource_spans for scope in group.scope_spans for span in scope.spans]
        found[mode] = [int.from_bytes(span.span_id) - 1 for span in spans]
    both = [9_000_000, 9_000_001]
    assert found == {"": both, "all": both, "blocks": [9_000_000], "ingesters": [9_000_001]}
    around = {"start": START_NS // 10**9 - 1, "end": START_NS // 10**9 + 1}
    assert server.ask(path, **around).body == server.ask(path).body
    assert server.ask(path, start=1, end=2).status == 404
