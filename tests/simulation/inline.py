"""Event loops and pools that run everything where it is asked for, so that no real thread disturbs the order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from types import SimpleNamespace
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class InlinePool(Executor):
    """A pool of no threads: what is submitted is done when `submit` returns."""

    _max_workers = 1

    def submit(self, fn: Callable[..., A], /, *args: Any, **kwargs: Any) -> Future[A]:
        done = Future[A]()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # whoever asks for the result gets it
            done.set_exception(error)
        return done


class InlineLoop(asyncio.BaseEventLoop):
    """An event loop without sockets and threads; who waits gives the turn away, who awaits may lose it."""

    def __init__(
        self, monotonic: Callable[[], float], wait: Callable[[float | None], None], pause: Callable[[], None]
    ) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._selector = SimpleNamespace(select=lambda timeout: pause() if timeout == 0 else wait(timeout))

    def abandon(self) -> None:
        """Forget what was not done when the machine went off; nothing of it goes on."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False
            with contextlib.suppress(BaseException):  # also what it would have done at its end
                task.get_coro().close()

    def time(self) -> float:
        return self._monotonic()

    def run_in_executor(self, executor: object, func: Callable[..., A], *args: Any) -> asyncio.Future[A]:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # whoever awaits gets it
            done.set_exception(error)
        return done

    def _process_events(self, events: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody waits to be woken."""


def in_turn(read: Callable[[A], B], items: Sequence[A], threads: int) -> Iterable[B]:
    """Stand in for `storage.parallel.in_parallel`."""
    return [read(item) for item in items]
