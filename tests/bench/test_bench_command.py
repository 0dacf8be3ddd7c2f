"""`tempo-dask bench` against two servers: the same spans sent to both, then more to one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from tempo_dask.bench.data import recorded, visible_spans
from tempo_dask.bench.history import read
from tempo_dask.bench.results import Results
from tempo_dask.bench.target import Target
from tempo_dask.cli.main import app
from tests.ingest.numbered import body
from tests.serving import ServerProcess


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", *arguments])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    folder = tmp_path_factory.mktemp("bench")
    with ServerProcess(folder / "one") as one, ServerProcess(folder / "other") as other:
        yield one, other


def options(servers: tuple[ServerProcess, ServerProcess]) -> list[str]:
    one, other = servers
    return ["--url", f"one={one.url}", "--url", f"other={other.url}", "--rounds", "1"]


@pytest.mark.slow
def test_two_servers_are_compared(servers: tuple[ServerProcess, ServerProcess], tmp_path: Path) -> None:
    otlp = [part for server in servers for part in ("--otlp", f"http://{server.addresses['otlp_http']}")]
    files = {name: tmp_path / name for name in ("run.json", "run.svg", "history.jsonl", "history.svg")}
    wanted = ["--json", "run.json", "--plot", "run.svg", "--history", "history.jsonl", "--history-plot", "history.svg"]
    written = [str(files.get(word, word)) for word in wanted]
    result = run(*options(servers), "--load", "shop", "--spans", "2000", *otlp, *written)
    assert result.exit_code == 0, result.output
    results = Results.from_json(files["run.json"].read_bytes())
    assert results.about["set"] == "shop of 2,000 spans"
    assert not results.failing()
    assert not results.differing()
    counted = {taken.shape.name: taken.counts for taken in results.taken}
    assert counted["most recent"] == {"traces": 20}
    assert counted["trace by id"]["spans"] >= 1
    assert counted["values of services"]["values"] > 5
    assert counted["rate"]["sum"] * results.window.step_s >= 2000, "the rate is that of all spans"
    for name in ("run.svg", "history.svg"):
        assert ElementTree.parse(files[name]).getroot().tag.endswith("svg")
    (kept,) = read(files["history.jsonl"])
    assert set(kept.median_ms) == {"search", "metrics", "names", "values", "trace"}
    assert "geometric mean" in result.output


@pytest.mark.slow
def test_answers_that_differ_are_told(servers: tuple[ServerProcess, ServerProcess], tmp_path: Path) -> None:
    """Recorded spans are moved to the present, and sent to one server alone."""
    file = tmp_path / "numbered.pb"
    file.write_bytes(body(range(8)))
    one = servers[0]
    loaded = run(
        *("--url", one.url, "--load", str(file), "--otlp", f"http://{one.addresses['otlp_http']}"),
        *("--only", "^rate$", "--rounds", "1"),
    )
    assert loaded.exit_code == 0, loaded.output
    assert "8 spans sent, 8 are visible" in loaded.output
    queries = tmp_path / "mine.txt"
    queries.write_text("numbered: { span.number >= 0 }\n")
    result = run(*options(servers), "--queries", str(queries), "--since", "1h")
    assert result.exit_code == 0, result.output
    assert "numbered: one and other differ: " in result.output
    assert "spans 8 and 0" in result.output


def test_spans_that_a_target_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "numbered.pb"
    file.write_bytes(body(range(5)))
    data = recorded([file])
    assert data.spans == 5
    assert data.name == "numbered.pb"
    assert visible_spans(Target("nobody", "http://127.0.0.1:1"), data, wait_s=0) is None


@pytest.mark.slow
def test_an_answer_that_fails_is_an_exit_status(servers: tuple[ServerProcess, ServerProcess], tmp_path: Path) -> None:
    queries = tmp_path / "mine.txt"
    queries.write_text("arithmetic: ({ } | rate()) / ({ } | rate())\nlate: { } | rate() | topk(0)\n")
    result = run("--url", servers[0].url, "--queries", str(queries), "--rounds", "1")
    assert result.exit_code == 1
    assert "late: " in result.output
    assert "failed 2 of 2 times: status 400: " in result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--url", "localhost:3200"], "expected [NAME=]http://HOST:PORT"),
        (["--url", "http://127.0.0.1:1"], "no answer from http://127.0.0.1:1"),
        (["--url", "http://127.0.0.1:1", "--otlp", "http://127.0.0.1:1"], "there is no --load"),
        (["--url", "http://127.0.0.1:1", "--since", "soon"], "--since: not a valid duration"),
        (["--url", "http://127.0.0.1:1", "--only", "nothing like it"], "no question is called like"),
        (["--url", "http://127.0.0.1:1", "--only", "("], "--only: "),
        (["--load", "shop", "--load", "file"], "found both"),
        (["--queries", "/nonexistent"], "No such file"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments: list[str], complaint: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert complaint in result.output


def test_help_teaches() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "Examples" in result.output
    assert "How to read it" in result.output


@pytest.mark.slow
def test_a_server_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    result = run("--short", "--spans", "1000", "--rounds", "1", "--json", str(file))
    assert result.exit_code == 0, result.output
    assert len(json.loads(file.read_bytes())["taken"]) == 7
