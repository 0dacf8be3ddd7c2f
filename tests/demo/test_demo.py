"""`python -m tempo_dask.demo` as a person meets it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tempo_dask.demo.tour import NEXT, Question

ANSWERED_WITHIN_S = 300.0

# Two demos at once might choose the same free port.


@contextmanager
def demo(data_dir: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo, and end it in order whatever the test does, so that no server stays behind."""
    command = [sys.executable, "-u", "-m", "tempo_dask.demo", "--spans", "8000", "--data-dir", str(data_dir), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            yield running
        finally:
            running.terminate()


def found_something(query: str, url: str) -> bool:
    """Ask a query that the demo proposes; the ones with a rate are metrics."""
    end_s = int(time.time()) + 1
    path = "/api/metrics/query_range" if "rate()" in query else "/api/search"
    answer = Question("", path, {"q": query, "start": str(end_s - 3600), "end": str(end_s)}).ask(url)
    return bool(answer["series"] if "rate()" in query else answer["traces"])


@pytest.fixture
def port_3200_taken() -> Iterator[None]:
    """Take the port that the demo wants most, unless somebody has it anyway."""
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 3200))
            taken.listen()
        except OSError:
            pass
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("port_3200_taken")
def test_three_questions_are_answered_and_it_ends(tmp_path: Path) -> None:
    with demo(tmp_path / "demo", "--once") as running:
        printed, _ = running.communicate(timeout=ANSWERED_WITHIN_S)
    assert running.returncode == 0, printed
    assert "port 3200 is taken: using" in printed
    assert len(re.findall(r"^curl -s", printed, re.MULTILINE)) == 3
    assert '"traceID"' in printed
    assert '"resourceSpans"' in printed
    assert '"resource.service.name"' in printed


def test_what_it_proposes_works_and_ctrl_c_stops_all(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C stops"):
                break
        url = re.search(r"URL http://127\.0\.0\.1:(\d+)", "".join(lines))
        assert url is not None, "".join(lines)
        assert [query for query in NEXT if not found_something(query, f"http://127.0.0.1:{url[1]}")] == []
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=300)
    assert running.returncode == 0, rest
    assert "to serve the same spans again" in rest
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url[1]))) != 0


def test_it_explains_itself() -> None:
    command = [sys.executable, "-m", "tempo_dask.demo", "--help"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "--once" in printed
    assert "--spans" in printed
