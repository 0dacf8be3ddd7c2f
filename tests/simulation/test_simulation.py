"""Every acknowledged span is found exactly once, whatever happens when, and for as long as it is kept.

A seed that fails is printed; `SEED=17 pytest tests/simulation -k test_lives` runs it alone. `SEEDS` says how many run
by night (`make check-all`) and in `make soak`, over as many processes as there are processors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import pytest

from tempo_dask.engine.local import LocalExecutor
from tests.simulation.inline import InlinePool
from tests.simulation.lives import Lives

#: Seeds of one test, so that workers share them and a failure is found soon.
BATCH = 5
ONE, SEEDS = os.environ.get("SEED"), os.environ.get("SEEDS")
QUICK = range(500) if ONE is None else range(int(ONE), int(ONE) + 1)
SLOW = range(1_000, 1_000 + int(SEEDS or 20_000))
SOAK = range(1_000_000, 1_000_000 + int(SEEDS or 1_000))


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    found = inline_executor()
    yield found
    found.close()


def inline_executor() -> LocalExecutor:
    """Return an executor that scans where it is asked to, so that all is in one order."""
    found = LocalExecutor(1)
    found._scanners.shutdown()
    found._scanners = InlinePool()
    return found


def run(seeds: range, executor: LocalExecutor) -> None:
    for seed in seeds:
        try:
            Lives(seed, executor).live()
        except BaseException:
            print(
                f"\nfailing seed: {seed}; run it alone: SEED={seed} pytest tests/simulation -k test_lives", flush=True
            )
            raise


def batches(seeds: range) -> list[range]:
    return [seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)]


def named(seeds: range) -> str:
    return f"{seeds.start}-{seeds.stop - 1}"


@pytest.mark.parametrize("seeds", batches(QUICK), ids=named)
def test_lives(seeds: range, executor: LocalExecutor) -> None:
    run(seeds, executor)


@pytest.mark.slow
def test_many_lives() -> None:
    run_in_processes(SLOW)


@pytest.mark.soak
def test_a_night_of_lives() -> None:
    run_in_processes(SOAK)


def run_in_processes(seeds: range) -> None:
    """Run seeds on all processors; the first failure ends it."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        runs = [processes.submit(run_alone, batch) for batch in batches(seeds)]
        try:
            for done in as_completed(runs):
                done.result()
        finally:
            processes.shutdown(cancel_futures=True)


def run_alone(seeds: range) -> None:
    """Run seeds in a process of their own."""
    executor = inline_executor()
    try:
        run(seeds, executor)
    finally:
        executor.close()


def test_a_seed_does_the_same_again(executor: LocalExecutor) -> None:
    ends = []
    for _ in range(2):
        lives = Lives(7, executor)
        lives.live()
        ends.append((lives.machine.now_ns, lives.machine.files.operations, lives.machine.rng.random()))
    assert ends[0] == ends[1]
