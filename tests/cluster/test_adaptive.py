"""How many workers there are follows what is asked, within its bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo_dask.cluster.adaptive import QUIET_S, Scale
from tests.cluster.processes import until
from tests.ingest.numbered import START_NS, body
from tests.serving import ServerProcess


def test_workers_come_at_once_and_go_after_a_quiet_while() -> None:
    now = [0.0]
    scale = Scale(1, 4, 2, lambda: now[0])
    assert [scale.wanted(tasks) for tasks in (0, 4, 5, 100, 3)] == [1, 1, 2, 4, 4]
    now[0] = QUIET_S - 1
    assert scale.wanted(0) == 4
    now[0] = QUIET_S + 1
    assert scale.wanted(6) == 2
    assert scale.wanted(0) == 1


@pytest.mark.slow
def test_a_server_with_workers_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tempo.yaml").write_text("cluster: {adaptive: {minimum: 1, maximum: 2}}")
    with ServerProcess(tmp_path / "data", "--config", str(tmp_path / "tempo.yaml")) as server:
        until(lambda: "127.0.0.1" in server.ask("/ingester/ring").text, "a worker joins")
        server.push(body(range(30)))
        server.flush()
        found = server.ask("/api/search", q="{}", start=START_NS // 10**9 - 10, end=START_NS // 10**9 + 100)
        assert (found.status, len(found.json["traces"])) == (200, 10)
