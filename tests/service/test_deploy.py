"""The example configurations: each can be used as it stands, and the server that it makes answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tempo_dask.config import file as config
from tempo_dask.overrides import TenantSettings
from tests.serving import ServerProcess

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
EXAMPLES = sorted(path.name for path in DEPLOY.glob("*.yaml") if path.name != "tenants.yaml")


def read(name: str) -> config.Config:
    return config.load(DEPLOY / name, expand_env=True)


def test_there_is_an_example_of_each_kind() -> None:
    assert EXAMPLES == ["cluster.yaml", "local.yaml", "multi-tenant.yaml", "s3.yaml", "tls.yaml"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_key_acts(name: str) -> None:
    assert read(name).without_effect == ()


def test_examples_say_what_they_are_for() -> None:
    assert read("s3.yaml").storage.trace.backend == "s3"
    assert read("cluster.yaml").storage.trace.s3.bucket == "traces"
    assert read("tls.yaml").server.http_tls_config.client_auth_type == "RequireAndVerifyClientCert"
    assert read("local.yaml").storage.trace.backend == "local"


def test_the_file_of_tenants_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DEPLOY.parent)
    settings = TenantSettings(read("multi-tenant.yaml").overrides)
    settings.load()
    assert settings.ingest_limits("shop").rate_limit_bytes == 50_000_000
    assert settings.ingest_limits("bank").max_traces_per_user == 1000
    assert settings.ingest_limits("anybody").rate_limit_bytes == 15_000_000


def test_the_command_line_verifies_an_example() -> None:
    command = [sys.executable, "-m", "tempo_dask.cli", f"-config.file={DEPLOY / 'local.yaml'}", "-config.verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["local.yaml", "multi-tenant.yaml"])
def test_an_example_starts_and_answers(name: str, tmp_path: Path) -> None:
    """Its folders are moved below the test's, its ports are free ones; all else stays."""
    text = (DEPLOY / name).read_text().replace("data/", f"{tmp_path}/").replace("deploy/", f"{DEPLOY}/")
    for port in (14268, 9411):
        text = text.replace(f"localhost:{port}", "localhost:0")
    (tmp_path / name).write_text(text)
    with ServerProcess(tmp_path / "data", "--config", str(tmp_path / name)) as server:
        assert server.ask("/api/echo").text == "echo\n"
        wanted = 401 if name == "multi-tenant.yaml" else 200
        assert server.ask("/api/search", q="{}").status == wanted
