"""A share of a query's work, as a worker does it. What it finds, or how it fails, travels back as bytes."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tempo_dask.errors import TempoDaskError
from tempo_dask.physical.scan_context import cancelled_by, check_cancelled

Task = TypeVar("Task")
Partial = TypeVar("Partial")


class ShareFailed(Exception):
    """A worker could not do a share for a reason that is its own: it cannot reach a block, its version is another."""


@dataclass(frozen=True, slots=True)
class Share(Generic[Task, Partial]):
    """Tasks that one thread does in turn, with their places in the work."""

    chunk: Callable[[int, Task], Partial]
    combine: Callable[[Iterable[Partial]], Partial]
    tasks: Sequence[tuple[int, Task]]

    def run(self) -> Partial:
        """Return what the tasks find together."""
        found = self.combine(())
        for place, task in self.tasks:
            check_cancelled()
            found = self.combine([found, self.chunk(place, task)])
        return found


#: Shares that run in this process, by their tokens.
_RUNNING: dict[str, threading.Event] = {}


async def do_share(packed: bytes, token: str, dask_worker: Any) -> bytes:
    """Do a share in a thread of the worker. For the worker's event loop."""
    stop = _RUNNING.setdefault(token, threading.Event())
    try:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(dask_worker.executors["default"], _do, packed, stop)
    finally:
        _RUNNING.pop(token, None)


async def stop_share(token: str) -> None:
    """End a share that nobody waits for, between two columns. For the worker's event loop."""
    if token in _RUNNING:
        _RUNNING[token].set()


def _do(packed: bytes, stop: threading.Event) -> bytes:
    try:
        with cancelled_by(stop.is_set):
            check_cancelled()
            share: Share[Any, Any] = pickle.loads(packed)  # noqa: S301  # from our own coordinator, as all that Dask runs
            return pickle.dumps((True, share.run()), pickle.HIGHEST_PROTOCOL)
    except TempoDaskError as error:
        return pickle.dumps((False, error))
    except Exception as error:  # noqa: BLE001  # all of it is told, and done again elsewhere
        return pickle.dumps((False, ShareFailed(f"{type(error).__name__}: {error}")))


def result_of(answer: bytes) -> Any:
    """Return what a share found. Raises the query's own errors, and ShareFailed for those of the worker."""
    is_found, result = pickle.loads(answer)  # noqa: S301  # from our own worker
    if is_found:
        return result
    raise result
