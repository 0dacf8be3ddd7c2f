"""`python -m tempo_dask.demo` as a person meets it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ANSWERED_WITHIN_S = 120.0

# Two demos at once might choose the same free port.
pytestmark = pytest.mark.xdist_group("demo")


def start(data_dir: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "tempo_dask.demo", "--spans", "3000", "--data-dir", str(data_dir), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


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


@pytest.mark.usefixtures("port_3200_taken")
def test_three_questions_are_answered_and_it_ends(tmp_path: Path) -> None:
    demo = start(tmp_path / "demo", "--once")
    printed, _ = demo.communicate(timeout=ANSWERED_WITHIN_S)
    assert demo.returncode == 0, printed
    assert "port 3200 is taken: using" in printed
    assert len(re.findall(r"^curl -s", printed, re.MULTILINE)) == 3
    assert '"traceID"' in printed
    assert '"resourceSpans"' in printed
    assert '"resource.service.name"' in printed


def test_ctrl_c_stops_the_server_and_ends_well(tmp_path: Path) -> None:
    demo = start(tmp_path / "demo")
    assert demo.stdout is not None
    try:
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C stops"):
                break
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=60)
    finally:
        demo.kill()
    printed = "".join(lines) + rest
    assert demo.returncode == 0, printed
    assert "to serve the same spans again" in printed
    url = re.search(r"URL http://127\.0\.0\.1:(\d+)", printed)
    assert url is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(url[1]))) != 0


def test_it_explains_itself() -> None:
    command = [sys.executable, "-m", "tempo_dask.demo", "--help"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "--once" in printed
    assert "--spans" in printed
