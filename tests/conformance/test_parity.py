"""The table of parity: every feature has its row, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (?P<id>[A-Z]\d\d) \| [^|]+ \| (?P<state>[^|]+) \| (?P<tests>.*) \|$", re.MULTILINE)
NAMED = re.compile(r"`([^`:]+)::(\w+)`")
ROWS = list(ROW.finditer((ROOT / "docs" / "parity.md").read_text()))
STATES = ("works", "differs", "not yet")


def test_every_feature_has_one_row(shared: Path) -> None:
    facts = (shared / "spec" / "tempo-facts.md").read_text().split("# 9. Feature table")[1]
    assert [row["id"] for row in ROWS] == re.findall(r"^\| ([A-Z]\d\d) \|", facts, re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_state_says_why_or_names_its_tests(row: re.Match[str]) -> None:
    state, _, why = row["state"].partition(": ")
    assert state in STATES
    assert NAMED.search(row["tests"]) if state == "works" else why or state == "not yet"


def test_every_named_test_exists() -> None:
    named = {(path, name) for row in ROWS for path, name in NAMED.findall(row["tests"])}
    assert len(named) > 100
    missing = sorted(f"{path}::{name}" for path, name in named if name not in in_file(path))
    assert missing == []


def in_file(path: str) -> set[str]:
    """Return the names of the tests in a file, none where there is no such file."""
    file = ROOT / "tests" / path
    tree = ast.parse(file.read_text()) if file.exists() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
