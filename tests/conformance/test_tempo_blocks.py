"""A server over blocks that Tempo wrote answers as one that was sent the same traces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.conformance.conftest import Case
from tests.serving import ServerProcess

CONFIGURATION = """
storage:
  trace:
    backend: local
    local: {{path: {blocks}}}
    wal: {{path: {wal}}}
"""


@pytest.fixture(scope="module", params=["vparquet4", "vparquet5"])
def in_place(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server that was sent nothing, pointed at blocks by Tempo's configuration."""
    root = tmp_path_factory.mktemp("in-place")
    shutil.copytree(shared / "conformance" / "tempo-blocks" / request.param, root / "blocks" / "single-tenant")
    configuration = root / "tempo.yaml"
    configuration.write_text(CONFIGURATION.format(blocks=root / "blocks", wal=root / "wal"))
    with ServerProcess(root / "data", "--config", str(configuration)) as server:
        yield server


def differing(check: ModuleType, server: ServerProcess, cases: list[Case]) -> set[int]:
    """Return the cases that a server answers otherwise than Tempo."""
    answers = ((case, check.fetch(server.url, case["path"], case["params"])) for case in cases)
    return {case["id"] for case, answer in answers if check.agrees(case, *answer, True) is not None}


@pytest.mark.slow
def test_answers_are_those_after_ingest(
    in_place: ServerProcess, recorded_server: ServerProcess, check: ModuleType, cases: list[Case]
) -> None:
    """For searches, traces, tags and metrics alike."""
    asked = [case for case in cases if case["group"] not in {"ops", "parse.error", "metrics.error"}]
    assert len(asked) > 30
    assert differing(check, in_place, asked) == differing(check, recorded_server, asked)
