"""The bar of long work."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterable

import pytest

from tempo_dask.engine.local import LocalExecutor
from tempo_dask.notebook import progress
from tempo_dask.notebook.progress import bar_text, shown_progress
from tempo_dask.physical.work import PartitionWork


def slowly(_place: int, task: int) -> int:
    time.sleep(0.02)
    return task


def total(parts: Iterable[int]) -> int:
    return sum(parts)


@pytest.mark.parametrize(("quick_s", "is_shown"), [(0.0, True), (60.0, False)])
def test_long_work_alone_has_a_bar(monkeypatch: pytest.MonkeyPatch, quick_s: float, is_shown: bool) -> None:
    monkeypatch.setattr(progress, "QUICK_S", quick_s)
    out = io.StringIO()
    executor = shown_progress(LocalExecutor(1), lambda: out)
    try:
        found = asyncio.run(executor.run(PartitionWork(tuple(range(20)), slowly, total, name="match")))
    finally:
        executor.close()
    assert found == sum(range(20))
    assert (" of 20 match, " in out.getvalue()) is is_shown
    assert not is_shown or out.getvalue().endswith(" \r")


def test_a_bar_is_full_in_the_end() -> None:
    assert bar_text(4, 4).count("#") == 40
    assert bar_text(0, 0).count("#") == 0
