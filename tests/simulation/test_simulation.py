"""Every acknowledged span is found exactly once, whatever happens when, and for as long as it is kept.

A seed that fails is printed; `SEED=17 pytest tests/simulation -k test_lives` runs it alone, `SEEDS=1000000 make soak`
runs as many more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from storage.block_list import BlockList, LogEntry
from storage.commit_log import BrokenLog
from tempo_dask.engine.local import LocalExecutor
from tests.simulation.lives import Lives
from tests.storage.power_loss import Handle

#: Seeds of one test, so that workers share them and a failure is found soon.
BATCH = 20
ONE = os.environ.get("SEED")
QUICK = range(40) if ONE is None else range(int(ONE), int(ONE) + 1)
SLOW = range(1_000, 3_000)
SOAK = range(1_000_000, 1_000_000 + int(os.environ.get("SEEDS", "1000")))


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    found = LocalExecutor(1)  # one thread, so that all is in one order
    yield found
    found.close()


def run(seeds: range, executor: LocalExecutor) -> None:
    for seed in seeds:
        try:
            Lives(seed, executor).live(lives=2)
        except BaseException:
            print(f"failing seed: {seed}")
            raise


def batches(seeds: range) -> list[range]:
    return [seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)]


def named(seeds: range) -> str:
    return f"{seeds.start}-{seeds.stop - 1}"


@pytest.mark.parametrize("seeds", batches(QUICK), ids=named)
def test_lives(seeds: range, executor: LocalExecutor) -> None:
    run(seeds, executor)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", batches(SLOW), ids=named)
def test_many_lives(seeds: range, executor: LocalExecutor) -> None:
    run(seeds, executor)


@pytest.mark.soak
def test_lives_for_a_night(executor: LocalExecutor) -> None:
    run(SOAK, executor)


def test_a_seed_does_the_same_again(executor: LocalExecutor) -> None:
    ends = []
    for _ in range(2):
        lives = Lives(7, executor)
        lives.live(lives=2)
        ends.append((lives.machine.now_ns, lives.machine.files.operations, lives.machine.rng.random()))
    assert ends[0] == ends[1]


def test_a_log_that_does_not_sync_is_found_out(executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation can fail."""
    monkeypatch.setattr(Handle, "sync", lambda self: None)
    with pytest.raises((AssertionError, BrokenLog)):
        run(range(20), executor)


def test_a_flush_that_is_not_recorded_is_found_out(executor: LocalExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlockList, "apply", _forgetful(BlockList.apply))
    with pytest.raises(AssertionError, match="doubled"):
        run(range(20), executor)


def _forgetful(apply: Callable[[BlockList, LogEntry], BlockList]) -> Callable[[BlockList, LogEntry], BlockList]:
    return lambda listed, entry: replace(apply(listed, entry), flushed={})
