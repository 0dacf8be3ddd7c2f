"""A server compacts in the background, and its answers do not change."""

from __future__ import annotations

import time
from pathlib import Path

from tests.ingest.numbered import body
from tests.service.test_life import count
from tests.serving import ServerProcess

DEADLINE_S = 30


def test_blocks_become_one_while_queries_are_answered(tmp_path: Path) -> None:
    config = tmp_path / "tempo.yaml"
    config.write_text("compactor: {compaction: {compaction_cycle: 200ms}}")
    with ServerProcess(tmp_path / "data", "--config", str(config)) as server:
        for n in range(3):
            assert server.push(body(range(7 * n, 7 * n + 7))).status == 200
            server.flush()
        deadline = time.monotonic() + DEADLINE_S
        while True:
            assert count(server) == 21
            if server.metric('tempodb_blocklist_length{tenant="single-tenant"}') == 1:
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        metrics = server.ask("/metrics").text
    assert 'tempodb_compaction_blocks_total{level="0"}' in metrics
    assert "tempodb_compaction_errors_total 0.0" in metrics
