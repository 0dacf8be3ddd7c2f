"""The recorded traces in a real server, and what differs from the answers Tempo gave."""

from __future__ import annotations

import gzip
import importlib.util
import json
import lzma
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.otlp_oracle import read_requests
from tests.serving import ServerProcess

Case = dict[str, Any]  # a recorded request and answer; `id` is its line


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every recorded request asked once, its answer held against the recorded one (error texts too)."""

    server: ServerProcess
    cases: list[Case]
    differences: dict[int, str]  # by case: why they differ

    def of_group(self, group: str) -> list[Case]:
        """Return the cases of a group."""
        return [case for case in self.cases if case["group"] == group]

    def differing(self, cases: list[Case]) -> dict[int, str]:
        """Return the differences among some cases."""
        wanted = {case["id"] for case in cases}
        return {number: why for number, why in self.differences.items() if number in wanted}


@pytest.fixture(scope="session")
def check(shared: Path) -> ModuleType:
    """The recorded comparison, `check.py`."""
    spec = importlib.util.spec_from_file_location("conformance_check", shared / "conformance" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves a file open
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def cases(shared: Path) -> list[Case]:
    with lzma.open(shared / "conformance" / "golden.jsonl.xz", "rt") as lines:
        return [{"id": number, **json.loads(line)} for number, line in enumerate(lines)]


@pytest.fixture(scope="session")
def recorded_server(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that holds the recorded traces, all of them live."""
    with ServerProcess(tmp_path_factory.mktemp("recorded") / "data") as server:
        server.load(read_requests(gzip.decompress((shared / "conformance" / "traces.rec.gz").read_bytes())))
        yield server


@pytest.fixture(scope="session", params=[pytest.param("live", marks=pytest.mark.slow), "flushed"])
def comparison(
    request: pytest.FixtureRequest, recorded_server: ServerProcess, check: ModuleType, cases: list[Case]
) -> Comparison:
    """The comparison while all traces are live, then when all are in blocks."""
    if request.param == "flushed":
        recorded_server.flush()
    found = {}
    for case in cases:
        answer = check.fetch(recorded_server.url, case["path"], case["params"])
        why = check.agrees(case, *answer, True)
        if why is not None:
            found[case["id"]] = f"{case['path']} {case['params']}\n    {why}"
    return Comparison(recorded_server, cases, found)
