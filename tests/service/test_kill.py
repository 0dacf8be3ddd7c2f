"""A server that is killed at any moment has lost nothing that it acknowledged, and has nothing twice."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest

from storage.block_store import BlockStore
from storage.data_dir import DataDir
from storage.objects import open_store
from storage.wal import Wal
from tempo_dask.kernels import otlp
from tests.ingest.numbered import START_NS, body, numbers, numbers_in
from tests.serving import ServerProcess

TENANT = "single-tenant"
SENDERS = 3
SPANS_PER_REQUEST = 12
SPANS_PER_TRACE = 3


class Sender(threading.Thread):
    """Pushes numbered spans until the server is gone, and keeps which of them were acknowledged."""

    def __init__(self, server: ServerProcess, numbers: Iterator[int]) -> None:
        super().__init__()
        self._server = server
        self._numbers = numbers
        self.sent: list[int] = []
        self.acknowledged: list[int] = []

    def run(self) -> None:
        for first in self._numbers:
            spans = range(first, first + SPANS_PER_REQUEST)
            self.sent += spans
            try:
                if self._server.push(body(spans, SPANS_PER_TRACE)).status != 200:
                    return
            except (OSError, URLError):
                return
            self.acknowledged += spans


def found_by_search(server: ServerProcess) -> list[int]:
    """Return the numbers of all spans that a search finds."""
    window = {"start": START_NS // 10**9 - 10, "end": START_NS // 10**9 + 3600}
    answer = server.ask("/api/search", q="{}", limit=200_000, spss=100, **window)
    assert answer.status == 200, answer.text
    sets = [span_set for trace in answer.json["traces"] for span_set in trace["spanSets"]]
    assert all(len(found["spans"]) == found["matched"] for found in sets)
    return [int(span["spanID"], 16) - 1 for found in sets for span in found["spans"]]


def found_on_disk(data_dir: Path) -> list[int]:
    """Return the numbers of all spans in blocks, and of those in the log that no block covers; the server is dead."""
    with DataDir(data_dir) as data, Wal(data.wal_path, data.node) as wal:
        blocks = BlockStore(open_store(str(data.blocks_path))).snapshot(TENANT)
        assert not blocks.set_aside
        logged = [record.body for record in wal.replay({TENANT: blocks.flushed.get(data.node, 0)})]
        return numbers_in(blocks.blocks) + (numbers(otlp.decode(logged)) if logged else [])


def check(found: list[int], senders: list[Sender]) -> None:
    assert len(found) == len(set(found)), "spans are there twice"
    assert {n for sender in senders for n in sender.acknowledged} <= set(found), "acknowledged spans are lost"
    assert set(found) <= {n for sender in senders for n in sender.sent}


def kill_under_load(tmp_path: Path, rounds: int) -> None:
    """Kill the server under load again and again, flushing in between, and check all spans each time."""
    chance = random.Random(rounds)
    server = ServerProcess(tmp_path / "data", "--config", str(small_blocks(tmp_path)))
    everything: list[Sender] = []
    numbers = [iter(range(n * 12_000_000, (n + 1) * 12_000_000, SPANS_PER_REQUEST)) for n in range(SENDERS)]
    server.start()
    try:
        for round_number in range(rounds):
            senders = [Sender(server, each) for each in numbers]
            for sender in senders:
                sender.start()
            time.sleep(chance.uniform(0.2, 1.5))
            if round_number % 2:
                server.flush()
                time.sleep(chance.uniform(0, 0.2))
            server.kill()
            for sender in senders:
                sender.join()
            assert any(sender.acknowledged for sender in senders)
            everything += senders
            check(found_on_disk(server.data_dir), everything)
            server.start()
            check(found_by_search(server), everything)
        server.flush()
        check(found_by_search(server), everything)
    finally:
        server.stop()


def small_blocks(tmp_path: Path) -> Path:
    """Return a configuration that flushes every half second, so that kills fall into flushes too."""
    file = tmp_path / "config.yaml"
    file.write_text("ingester: {max_block_duration: 500ms, flush_check_period: 100ms}\n")
    return file


def test_once(tmp_path: Path) -> None:
    kill_under_load(tmp_path, rounds=1)


@pytest.mark.slow
def test_twenty_times(tmp_path: Path) -> None:
    kill_under_load(tmp_path, rounds=20)
