"""What a Dask worker does before it takes work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo_dask.cluster.fabric import node_host
from tempo_dask.cluster.travel import OWN_STORE, opened
from tempo_dask.config.cluster import ClusterSection
from tempo_dask.physical.column_cache import PROCESS_CACHE
from tempo_dask.worker import UnsafeAddress, dask_setup, require_safe


class FakeWorker:
    address = "tcp://127.0.0.1:1234"


def test_the_store_and_the_budget_are_those_that_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OWN_STORE, "objects", None)
    monkeypatch.setattr(PROCESS_CACHE, "columns", PROCESS_CACHE.columns)
    (tmp_path / "tempo.yaml").write_text(f"storage: {{trace: {{backend: local, local: {{path: {tmp_path}}}}}}}")
    arguments = ["--config", str(tmp_path / "tempo.yaml"), "--cache-bytes", "12345"]
    with dask_setup.make_context("dask_setup", arguments) as context:
        dask_setup.callback(FakeWorker(), **context.params)
    assert repr(OWN_STORE.objects) == f"LocalStore({str(tmp_path)!r})"
    with pytest.raises(Exception, match=r"block\.json|no object|absent") as raised:
        opened("tenant", "no-such-block", None)  # type: ignore[arg-type]  # its own store is asked, not this one
    assert "no-such-block" in str(raised.value)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://localhost:1", "tls://10.0.0.1:1", "tcp://[::1]:1"])
def test_safe_addresses(address: str) -> None:
    require_safe(address)


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:1", "tcp://0.0.0.0:1", "tcp://worker-1:1"])
def test_addresses_that_are_open_to_others_need_tls(address: str) -> None:
    with pytest.raises(UnsafeAddress, match="without TLS"):
        require_safe(address)


def test_a_node_listens_for_others_with_tls_alone(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("ca_file", "cert_file", "key_file")}
    safe = ClusterSection.model_validate({"address": "tls://scheduler:8786", "tls": files})
    assert node_host(ClusterSection(), "tcp://127.0.0.1:8786") == "127.0.0.1"
    assert node_host(ClusterSection(), "tcp://scheduler:8786") is None
    assert node_host(safe, "tls://scheduler:8786") == ""


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"address": "tls://scheduler:8786"}, "needs cluster.tls"),
        ({"tls": {"ca_file": "ca.pem"}}, "go together"),
        ({"adaptive": {"minimum": 3, "maximum": 2}}, "more than maximum"),
    ],
)
def test_a_section_that_does_not_hold_together(section: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ClusterSection.model_validate(section)
