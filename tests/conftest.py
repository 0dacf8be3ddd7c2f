"""What every test may use: where recorded data lies, and how many tests went without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# By day laws ask the same on every machine, however fast; by night they ask anew: `--hypothesis-profile night`.
ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("day", ANY_SPEED, derandomize=True)
settings.register_profile("night", ANY_SPEED)
settings.load_profile("day")

SHARED = Path(__file__).resolve().parents[2] / "shared"
WITHOUT_RECORDED = "recorded data is not here"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of recorded traces and answers, or skip where it is not."""
    if not (SHARED / "data").is_dir():
        pytest.skip(WITHOUT_RECORDED)
    return SHARED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped for want of recorded data."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(WITHOUT_RECORDED in str(report.longrepr) for report in skipped)
    terminalreporter.write_line(f"tests skipped for want of recorded data: {count}")
