"""Processes that do one part of the service each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo_dask.config import file as config
from tempo_dask.config.roles import ROLES, Role
from tempo_dask.config.section import ConfigError
from tests.cluster.processes import DaskProcesses, until
from tests.ingest.numbered import START_NS, body
from tests.serving import ServerProcess

WINDOW = {"start": START_NS // 10**9 - 10, "end": START_NS // 10**9 + 100}


@pytest.mark.parametrize(
    ("target", "role"),
    [
        ("all", Role(ingests=True, queries=True, maintains=True)),
        ("scalable-single-binary", Role(ingests=True, queries=True, maintains=True)),
        ("ingester", Role(ingests=True)),
        ("distributor", Role(ingests=True)),
        ("query-frontend", Role(queries=True)),
        ("compactor", Role(maintains=True)),
    ],
)
def test_targets_of_a_file_and_of_flags(target: str, role: Role) -> None:
    assert config.parse(f"target: {target}").role == role
    assert config.parse("target: all", {"target": target}).role == role


def test_a_target_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 1: target: unrecognised module name: queriers"):
        config.parse("target: queriers")


def test_ours_are_among_them() -> None:
    assert {"all", "ingest", "query", "compact"} <= set(ROLES)


@pytest.mark.slow
def test_a_process_for_each_part(tmp_path: Path) -> None:
    (tmp_path / "tempo.yaml").write_text(f"storage: {{trace: {{local: {{path: {tmp_path / 'blocks'}}}}}}}")
    common = ("--config", str(tmp_path / "tempo.yaml"), "--scheduler")
    with (
        DaskProcesses(tmp_path) as dask,
        ServerProcess(tmp_path / "ingest", *common, dask.address, "--target", "ingest") as ingest,
        ServerProcess(tmp_path / "query", *common, dask.address, "--target", "query") as query,
        ServerProcess(tmp_path / "compact", *common, "local", "--target", "compact") as compact,
    ):
        until(lambda: "ACTIVE" in query.ask("/ingester/ring").text.replace("ACTIVE", "", 1), "the node joins")
        assert "otlp_http" not in {**query.addresses, **compact.addresses}
        ingest.push(body(range(12)))
        found = query.ask("/api/search", q="{}", **WINDOW)
        assert (found.status, len(found.json["traces"])) == (200, 4)
        assert [one.ask("/api/search", q="{}").status for one in (ingest, compact)] == [404, 404]
        assert [one.ask("/ready").status for one in (ingest, query, compact)] == [200, 200, 200]
        ingest.flush()
        found = query.ask("/api/search", q="{}", **WINDOW)
        assert (found.status, len(found.json["traces"])) == (200, 4)
