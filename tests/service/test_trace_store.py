"""`storage.trace`: Tempo's keys, told to obstore; and a whole server on S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from storage.object_store import CreateNotExclusive, ObjectStore
from tempo_dask import trace_store
from tempo_dask.config.file import parse
from tempo_dask.config.section import ConfigError
from tempo_dask.trace_store import open_trace_store, remote_location
from tests.otlp_oracle import requests_to_spans
from tests.serving import ServerProcess
from tests.storage.recorded import recorded_requests
from tests.storage.store_servers import S3_BUCKET, s3_server


def location(**settings: Any) -> tuple[str, dict[str, str], bool]:
    """Return what a configuration file of one store comes to."""
    text = yaml.safe_dump({"storage": {"trace": {"backend": next(iter(settings)), **settings}}})
    return remote_location(parse(text).storage.trace)


def test_amazon() -> None:
    """By virtual host, unless it is forced; the region stands in the endpoint."""
    url, options, allow_http = location(s3={"bucket": "b", "endpoint": "s3.dualstack.eu-west-1.amazonaws.com"})
    assert (url, allow_http) == ("s3://b", False)
    assert options == {"aws_region": "eu-west-1", "aws_virtual_hosted_style_request": "true"}
    _, options, _ = location(s3={"bucket": "b", "region": "eu-south-2", "forcepathstyle": True})
    assert options == {"aws_region": "eu-south-2", "aws_virtual_hosted_style_request": "false"}
    assert location(s3={"bucket": "b", "endpoint": "s3.amazonaws.com"})[1]["aws_region"] == "us-east-1"


def test_other_s3() -> None:
    keys = {"access_key": "a", "secret_key": "s", "session_token": "t", "insecure": True, "prefix": "/of/mine/"}
    url, options, allow_http = location(s3={"bucket": "b", "endpoint": "minio:9000", **keys})
    assert (url, allow_http) == ("s3://b/of/mine", True)
    assert options == {
        "aws_region": "us-east-1",
        "aws_virtual_hosted_style_request": "false",
        "aws_access_key_id": "a",
        "aws_secret_access_key": "s",
        "aws_session_token": "t",
        "aws_endpoint": "http://minio:9000",
    }
    assert location(s3={"bucket": "b", "endpoint": "minio"})[1]["aws_endpoint"] == "https://minio"


def test_gcs() -> None:
    assert location(gcs={"bucket_name": "b", "prefix": "p"}) == ("gs://b/p", {}, False)
    emulated = location(gcs={"bucket_name": "b", "endpoint": "fake:4443", "insecure": True})
    assert emulated == ("gs://b", {"google_base_url": "http://fake:4443"}, True)


def test_azure() -> None:
    keys = {"container_name": "c", "storage_account_name": "a", "storage_account_key": "azo="}
    url, options, allow_http = location(azure=keys)
    assert (url, allow_http) == ("az://c", False)
    assert options["azure_endpoint"] == "https://a.blob.core.windows.net"
    assert options["azure_storage_account_key"] == "azo="
    url, options, allow_http = location(azure={**keys, "endpoint_suffix": "localhost:10000", "prefix": "p"})
    assert (url, options["azure_endpoint"], allow_http) == ("az://c/p", "http://localhost:10000/a", True)


@pytest.mark.parametrize("settings", [{"gcs": {"bucket_name": "b"}}, {"azure": {"container_name": "c"}}])
def test_every_option_is_known_to_obstore(settings: dict[str, Any]) -> None:
    if "azure" in settings:
        settings["azure"] |= {"storage_account_name": "a", "storage_account_key": "azo="}
    trace = parse(
        yaml.safe_dump({"storage": {"trace": {"single_writer": True, "backend": next(iter(settings)), **settings}}})
    )
    assert open_trace_store(trace.storage.trace, Path()).local_path("a") is None


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"s3": {}}, "storage.trace.s3.bucket is missing"),
        ({"gcs": {}}, "storage.trace.gcs.bucket_name is missing"),
        ({"azure": {"container_name": "c"}}, "storage.trace.azure.storage_account_name is missing"),
        ({"azure": {"storage_account_name": "a"}}, "storage.trace.azure.container_name is missing"),
    ],
)
def test_what_is_missing_is_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        location(**settings)


def test_a_store_that_several_could_not_share_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: ObjectStore) -> None:
        raise CreateNotExclusive("only a single writer may use it")

    monkeypatch.setattr(trace_store, "require_exclusive_create", refuse)
    settings = "storage: {trace: {backend: s3, single_writer: %s, s3: {bucket: b}}}"
    with pytest.raises(CreateNotExclusive):
        open_trace_store(parse(settings % "false").storage.trace, Path())
    open_trace_store(parse(settings % "true").storage.trace, Path())


@pytest.fixture
def s3() -> Iterator[str]:
    pytest.importorskip("moto.server")
    with s3_server() as address:
        yield address


@pytest.mark.slow
def test_a_server_on_s3(shared: Path, tmp_path: Path, s3: str) -> None:
    """Sent, flushed, and found by a server that starts anew with nothing of its own."""
    keys = {"bucket": S3_BUCKET, "endpoint": s3, "insecure": True, "access_key": "k", "secret_key": "s", "prefix": "p"}
    configuration = tmp_path / "tempo.yaml"
    configuration.write_text(yaml.safe_dump({"storage": {"trace": {"backend": "s3", "s3": keys}}}))
    requests = recorded_requests(shared, "small")
    sent = requests_to_spans(requests)
    with ServerProcess(tmp_path / "first", "--config", str(configuration)) as server:
        server.load(requests)
        server.flush()
    assert not (tmp_path / "first" / "blocks").exists()
    with ServerProcess(tmp_path / "second", "--config", str(configuration)) as server:
        window = {"start": min(s.start for s in sent) // 10**9, "end": max(s.end for s in sent) // 10**9 + 1}
        answer = server.ask("/api/metrics/query", q="{} | count_over_time()", **window)
        assert float(answer.json["series"][0]["value"]) == len(sent)
        found = server.ask("/api/search", q="{ kind = server }", limit=100_000, **window).json["traces"]
        assert len(found) == len({span.trace_id for span in sent if span.kind == 2})
        trace = server.ask(f"/api/v2/traces/{sent[0].trace_id.hex()}")
        assert trace.status == 200
