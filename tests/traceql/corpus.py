"""The corpus of queries: one file per area in tests/golden/traceql, each query under what becomes of it.

A line is a query. An indented line behind it is what is expected: the canonical text of a valid query (left out where
the query is canonical already), the error text of any other. `python -m tests.traceql.corpus` writes what the code
says now; review the diff.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from traceql import Fault, ParseError, ValidationError, format_query, parse, require_valid

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "traceql"
EXPECTED = "    => "


class Outcome(Enum):
    VALID = "valid"
    UNPARSABLE = "does not parse"
    INVALID = "does not validate"
    UNSUPPORTED = "not supported"


OUTCOMES = {outcome.value for outcome in Outcome}


@dataclass(frozen=True)
class Case:
    area: str
    outcome: Outcome
    query: str
    expected: str

    def __str__(self) -> str:
        return f"{self.area}: {self.query}"


def read_corpus() -> list[Case]:
    """Every case of every area."""
    return [case for path in sorted(FOLDER.glob("*.txt")) for case in _read(path)]


def _read(path: Path) -> Iterator[Case]:
    outcome = Outcome.VALID
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip() and line[:2] != "# "]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line[1:-1] in OUTCOMES:
            outcome = Outcome(line[1:-1])
        elif not line.startswith(EXPECTED):
            expected = following.removeprefix(EXPECTED) if following.startswith(EXPECTED) else line
            yield Case(path.stem, outcome, line, expected)


def judge(query: str) -> tuple[Outcome, str]:
    """What becomes of a query, and the text to expect."""
    try:
        tree = parse(query)
        require_valid(tree)
    except ParseError as error:
        return Outcome.UNPARSABLE, str(error)
    except ValidationError as error:
        is_invalid = any(finding.fault is Fault.INVALID for finding in error.diagnostics)
        return Outcome.INVALID if is_invalid else Outcome.UNSUPPORTED, str(error)
    return Outcome.VALID, format_query(tree)


def rewrite(path: Path) -> None:
    """Put what the code says now into a file of the corpus, keeping its order and its sections."""
    lines = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith(EXPECTED):
            continue
        lines.append(line)
        is_query = line.strip() and line[:2] != "# " and line[1:-1] not in OUTCOMES
        if is_query and (text := judge(line)[1]) != line:
            lines.append(EXPECTED + text)
    path.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    for file in FOLDER.glob("*.txt"):
        rewrite(file)
