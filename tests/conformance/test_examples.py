"""The worked examples, asked of a server that holds their one trace, live and in a block."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.conformance.conftest import Case
from tests.serving import ServerProcess

#: What is answered otherwise on purpose, with the reasons of docs/differences.md.
DIFFERENT = {
    3: "`= nil` holds where a span has no attribute at all",
    58: "of five spans the first three in the order of the tree are shown",
}


@pytest.fixture(scope="module")
def server(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("examples") / "data") as found:
        pushed = found.push((shared / "conformance" / "example-trace.json").read_bytes(), "application/json")
        assert pushed.status == 200
        yield found


def test_every_example_is_answered_as_tempo_does(server: ServerProcess, shared: Path, check: ModuleType) -> None:
    lines = (shared / "conformance" / "examples.jsonl").read_text().splitlines()
    assert len(lines) > 60
    examples = [{"id": number, "group": _group(line), **json.loads(line)} for number, line in enumerate(lines)]
    assert _different(server, examples, check) == DIFFERENT.keys()
    server.flush()
    assert _different(server, examples, check) == DIFFERENT.keys()


def _group(line: str) -> str:
    """A trace is compared span by span, not as text."""
    return "trace.example" if "/api/v2/traces/" in line else "example"


def _different(server: ServerProcess, examples: list[Case], check: ModuleType) -> set[int]:
    def agrees(case: Case) -> bool:
        answer = check.fetch(server.url, case["path"], case["params"])
        return check.agrees(case, *answer, True) is None

    return {case["id"] for case in examples if not agrees(case)}
