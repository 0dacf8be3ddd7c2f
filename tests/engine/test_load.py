"""Many clients at once for a minute: nobody is failed, and memory stays within its bounds."""

from __future__ import annotations

import pytest

from benchmarks.load_search import SPANS, put_under_load


@pytest.mark.slow
def test_many_clients() -> None:
    outcome = put_under_load(clients=32, seconds=60, spans=SPANS)
    assert not outcome.failures
    assert len(outcome.load.seconds) > 20
