"""The command line and the file as Tempo's users have them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tempo_dask.cli.flags import UnknownFlag, is_flags, read_flags
from tempo_dask.cli.main import serve_flags
from tempo_dask.config import file as config
from tempo_dask.config.roles import ROLES
from tempo_dask.config.section import ConfigError

#: A file as it is written for Tempo's single binary.
TEMPO_FILE = """
stream_over_http_enabled: true
server:
  http_listen_port: 3201
  http_server_read_timeout: 30s
  log_level: warn
query_frontend:
  search: {duration_slo: 5s, throughput_bytes_slo: 1.073741824e+09}
distributor:
  receivers: {otlp: {protocols: {grpc: {endpoint: "0.0.0.0:4317"}}}}
ingester:
  trace_idle_period: 5s
  max_block_duration: 5m
  lifecycler: {ring: {replication_factor: 3, kvstore: {store: memberlist}}}
compactor: {compaction: {block_retention: 48h}}
metrics_generator:
  registry: {external_labels: {source: tempo}}
storage:
  trace:
    backend: local
    wal: {path: /var/tempo/wal}
    local: {path: /var/tempo/blocks}
    pool: {max_workers: 100}
overrides:
  defaults: {metrics_generator: {processors: [service-graphs, span-metrics]}}
memberlist: {join_members: [tempo-gossip]}
usage_report: {reporting_enabled: false}
"""


def test_a_file_that_was_written_for_tempo_is_taken() -> None:
    found = config.parse(TEMPO_FILE)
    assert (found.server.http_listen_port, found.server.log_level) == (3201, "warn")
    assert found.ingester.max_block_duration.total_seconds() == 300
    assert found.ingester.trace_idle_period.total_seconds() == 5
    assert found.compactor.compaction.block_retention.total_seconds() == 48 * 3600
    ignored = {"ingester.lifecycler", "storage.trace.pool", "memberlist", "usage_report"}
    assert ignored <= set(found.without_effect)


@pytest.mark.parametrize("key", ["memberlists", "ingester: {trace_idle: 5s}", "storage: {trace: {pools: {}}}"])
def test_a_slip_of_the_pen_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        config.parse(key if ":" in key else f"{key}: 1")


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tempo.yaml"
    file.write_text(TEMPO_FILE)
    flags = read_flags([f"-config.file={file}", "-server.http-listen-port=1", "--log.level", "error", "-auth.enabled"])
    assert flags.file == file
    found = config.load(file, flags=flags.values)
    assert (found.server.http_listen_port, found.server.log_level, found.multitenancy_enabled) == (1, "error", True)
    assert found.compactor.compaction.block_retention.total_seconds() == 48 * 3600


def test_variables_are_expanded_where_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tempo.yaml"
    file.write_text("server: {http_listen_port: ${PORT_OF_TEST}, http_listen_address: '${NO_SUCH:-127.0.0.1}'}")
    monkeypatch.setenv("PORT_OF_TEST", "77")
    found = config.load(file, expand_env=True).server
    assert (found.http_listen_port, found.http_listen_address) == (77, "127.0.0.1")
    with pytest.raises(ConfigError):
        config.load(file)


@pytest.mark.parametrize(
    ("argument", "hint"), [("-config.fil=x", "did you mean -config.file?"), ("x", "is no flag"), ("-zzz", "-zzz")]
)
def test_unknown_flags_are_refused_with_a_hint(argument: str, hint: str) -> None:
    with pytest.raises(UnknownFlag, match=hint.replace("?", r"\?")):
        read_flags([argument])


def test_sub_commands_are_no_flags() -> None:
    assert not is_flags(["serve"])
    assert not is_flags(["--help"])
    assert not is_flags([])


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tempo_dask.cli", *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def test_version_and_target(capsys: pytest.CaptureFixture[str]) -> None:
    serve_flags(["-version"])
    assert capsys.readouterr().out.startswith("tempo-dask ")
    for target in ROLES:
        serve_flags([f"-target={target}", "-storage.trace.backend=s3", "-config.verify"])
        assert read_flags(["-target", target]).values["target"] == target


def test_verify_checks_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "tempo.yaml"
    file.write_text(TEMPO_FILE)
    good = run(f"-config.file={file}", "-config.verify")
    assert (good.returncode, "note: memberlist has no effect here" in good.stderr) == (0, True)
    file.write_text("bogus: 1")
    bad = run(f"-config.file={file}", "-config.verify")
    assert bad.returncode == 1
    assert f"failed to parse configFile {file}: line 1: unknown key bogus" in bad.stderr
    assert run("-target=bogus").returncode == 1
