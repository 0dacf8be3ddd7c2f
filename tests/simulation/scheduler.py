"""Threads that take turns: one runs, a seed says at each pause who runs next, so each order can be had again.

Code under test pauses wherever it reads or writes a file. A thread that an actor waits for (a pool's, say) runs on
the actor's turn. Locks that are held over a pause must be `TurnLock`s, or who wants one would wait with the turn.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

#: For so many pauses, of all together, an actor may stand still.
MOST_STALLED = 400


class Actor:
    """A thread with a name and a turn."""

    def __init__(self, name: str, act: Callable[[], None]) -> None:
        self.name = name
        self.act = act
        self.turn = threading.Semaphore(0)
        self.stalled_until = 0


class Scheduler:
    """Runs actors until all have ended; whatever one raises ends with it, and the first error is raised again."""

    def __init__(self, rng: random.Random, *, switch: float = 0.3, stall: float = 0.004) -> None:
        self._rng = rng
        self._switch = switch
        self._stall = stall
        self._pauses = 0
        self._actors: list[Actor] = []
        self._current: Actor | None = None
        self._all_ended = threading.Semaphore(0)
        self._errors: list[BaseException] = []

    def spawn(self, name: str, act: Callable[[], None]) -> None:
        self._actors.append(Actor(name, act))

    def run(self, expected: type[BaseException]) -> None:
        """Run all actors; `expected` is what they may end by."""
        threads = [threading.Thread(target=self._live, args=(actor, expected)) for actor in self._actors]
        for thread in threads:
            thread.start()
        self._pass_on(None)
        self._all_ended.acquire()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def pause(self, *, must_switch: bool = False) -> None:
        """Let somebody else run, perhaps. Without actors nothing happens."""
        me = self._current
        self._pauses += 1
        if me is None or (not must_switch and self._rng.random() >= self._switch):
            return
        others = [actor for actor in self._actors if actor is not me] if must_switch else self._actors
        if not others:
            msg = f"{me.name} waits for something that nobody will do"
            raise RuntimeError(msg)
        if self._rng.random() < self._stall:  # a slow disk, a full processor: the others get far
            me.stalled_until = self._pauses + self._rng.randint(50, MOST_STALLED)
        chosen = self._rng.choice([actor for actor in others if actor.stalled_until <= self._pauses] or others)
        if chosen is not me:
            self._current = chosen
            chosen.turn.release()
            me.turn.acquire()

    def _live(self, actor: Actor, expected: type[BaseException]) -> None:
        actor.turn.acquire()
        try:
            actor.act()
        except expected:
            pass
        except BaseException as error:  # noqa: BLE001  # raised again where `run` was called
            self._errors.append(error)
        self._pass_on(actor)

    def _pass_on(self, ended: Actor | None) -> None:
        self._actors = [actor for actor in self._actors if actor is not ended]
        self._current = self._rng.choice(self._actors) if self._actors else None
        (self._current.turn if self._current else self._all_ended).release()

    def promise(self) -> TurnFuture:
        """Return what stands in for a future that is waited for on a turn."""
        return TurnFuture(self)

    def threading_of_turns(self) -> SimpleNamespace:
        """Return what stands in for the module `threading` where locks are held over pauses."""
        return SimpleNamespace(Lock=lambda: TurnLock(self))


class TurnLock:
    """A lock whose waiters give their turn away."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_held = False

    def __enter__(self) -> None:
        while self._is_held:
            self._scheduler.pause(must_switch=True)
        self._is_held = True

    def __exit__(self, *_: object) -> None:
        self._is_held = False


class TurnFuture(Future[Any]):
    """A promise; who waits for it gives the turn away."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    def result(self, timeout: float | None = None) -> Any:
        while not self.done():
            self._scheduler.pause(must_switch=True)
        return super().result(timeout)
