"""Engine verbs called from code that may run inside an event loop already, as every cell of Jupyter does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from storage.columns import ScanSource

Answer = TypeVar("Answer")


def answer(question: Coroutine[Any, Any, Answer]) -> Answer:
    """Return what a coroutine returns; it runs on an event loop in a thread of its own."""
    with ThreadPoolExecutor(1, thread_name_prefix="notebook") as thread:
        return thread.submit(asyncio.run, question).result()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Provides an engine with the sources of one moment."""

    sources: Sequence[ScanSource]

    async def snapshot(self, _tenant: str) -> tuple[ScanSource, ...]:
        """Return the sources."""
        return tuple(self.sources)

    def set_aside(self, _tenant: str) -> Mapping[str, str]:
        """Return no block: who took the snapshot has said which are missing."""
        return {}
