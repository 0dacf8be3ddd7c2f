"""Queries of a server may run on a Dask cluster, over live spans and blocks alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ingest.numbered import START_NS, body
from tests.serving import ServerProcess

WINDOW = {"start": START_NS // 10**9 - 10, "end": START_NS // 10**9 + 100}


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """The address of a Dask scheduler with one worker."""
    file = tmp_path / "scheduler.json"
    options = ["--no-dashboard", "--scheduler-file", str(file)]
    commands = (
        ["scheduler", "--host", "127.0.0.1", "--port", "0", *options],
        ["worker", "--nthreads", "2", "--local-directory", str(tmp_path / "worker"), *options],
    )
    with ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            stack.enter_context(process)
            stack.callback(process.terminate)
            assert process.stderr is not None
            address = next(line for line in process.stderr if "tcp://" in line)
        yield "tcp://" + next(part for part in file.read_text().split('"') if part.startswith("tcp://"))[6:]
        assert address


@pytest.mark.slow
def test_a_cluster_answers_over_blocks_and_live_spans(tmp_path: Path, scheduler: str) -> None:
    with ServerProcess(tmp_path / "data", "--scheduler", scheduler) as server:
        server.push(body(range(30)))
        server.flush()
        server.push(body(range(30, 45)))
        answer = server.ask("/api/search", q="{ .number > 10 }", limit=100, spss=100, **WINDOW)
    assert answer.status == 200, answer.text
    sets = [found for trace in answer.json["traces"] for found in trace["spanSets"]]
    numbers = [int(span["spanID"], 16) - 1 for found in sets for span in found["spans"]]
    assert sorted(numbers) == list(range(11, 45))


@pytest.mark.slow
def test_no_scheduler_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tempo_dask.cli", "serve", "--data-dir", str(tmp_path / "data")]
    done = subprocess.run(
        [*command, "--scheduler", "tcp://127.0.0.1:1"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in done.stderr
