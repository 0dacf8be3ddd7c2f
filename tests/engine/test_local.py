"""The local executor: each task is done once, however many there are and however long they take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import pytest

from tempo_dask.engine.local import LocalExecutor
from tempo_dask.physical.work import PartitionWork


class BrokenUnit(Exception):
    pass


def _together(parts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted(place for part in parts for place in part))


def _work(seconds: Sequence[float]) -> PartitionWork[float, tuple[int, ...]]:
    def chunk(place: int, task: float) -> tuple[int, ...]:
        if task < 0:
            raise BrokenUnit(str(place))
        time.sleep(task)
        return (place,)

    return PartitionWork(tuple(seconds), chunk, _together)


@pytest.fixture(params=[1, 2, 3])
def executor(request: pytest.FixtureRequest) -> Iterator[LocalExecutor]:
    executor = LocalExecutor(request.param)
    yield executor
    executor.close()


@pytest.mark.parametrize("tasks", [0, 1, 2, 15, 16, 17, 33, 100, 1000])
def test_each_quick_task_is_done_once(executor: LocalExecutor, tasks: int) -> None:
    assert executor.run_now(_work([0.0] * tasks)) == tuple(range(tasks))


@pytest.mark.parametrize("slow", [0, 3, 19])
def test_each_task_is_done_once_where_some_take_long(executor: LocalExecutor, slow: int) -> None:
    seconds = [0.0] * 20
    seconds[slow] = 0.02
    assert executor.run_now(_work(seconds)) == tuple(range(20))


@pytest.mark.parametrize("broken", [0, 1, 19])
@pytest.mark.parametrize("each", [0.0, 0.003])
def test_an_error_of_a_task_is_raised_as_it_is(executor: LocalExecutor, broken: int, each: float) -> None:
    seconds = [each] * 20
    seconds[broken] = -1.0
    with pytest.raises(BrokenUnit, match=str(broken)):
        executor.run_now(_work(seconds))
    assert executor.waiting_tasks == 0


def test_what_takes_long_gets_all_threads() -> None:
    executor, met = LocalExecutor(2), threading.Barrier(2, timeout=60)
    work = PartitionWork((0, 1), lambda place, _: (place, met.wait())[:1], _together)
    assert executor.run_now(work) == (0, 1)  # neither would come to an end alone
    executor.close()
