"""Results kept by key within a budget, each made once however many threads ask for it at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_FIRST = 2
#: Keys of which is known when they were asked for, whether their results are kept or not.
_TIMES = 1 << 17
_NEVER = (0, 0)


def _one(_result: object) -> int:
    return 1


class Remembered(Generic[K, T]):
    """Results by key; beyond the budget the least recently used are given up. For many threads.

    `cost` says what a result takes of the budget: without it, each takes 1.
    """

    def __init__(self, budget: int, cost: Callable[[T], int] = _one) -> None:
        self._budget = budget
        self._cost = cost
        self._results: OrderedDict[K, tuple[T, int]] = OrderedDict()
        self._making: dict[K, Future[T]] = {}
        self._lock = threading.Lock()
        self.used = 0
        self.hits = 0
        self.misses = 0

    def get_or_make(self, key: K, make: Callable[[], T]) -> T:
        """Return the result of a key, made where it is not known. All who wait for it get what `make` raises."""
        with self._lock:
            self._asked_for(key)
            kept = self._results.get(key)
            if kept is not None:
                self._results.move_to_end(key)
                self.hits += 1
                return kept[0]
            promised = self._making.get(key)
            if promised is None:
                mine: Future[T] = Future()
                self._making[key] = mine
                self.misses += 1
        return self._make(key, mine, make) if promised is None else promised.result()

    def get(self, key: K) -> T | None:
        """Return the result of a key, None where it is not known."""
        with self._lock:
            kept = self._results.get(key)
            if kept is None:
                return None
            self._results.move_to_end(key)
            return kept[0]

    def put(self, key: K, result: T) -> None:
        """Keep a result that was made elsewhere."""
        with self._lock:
            self.used -= self._results.pop(key, (result, 0))[1]
            self._keep(key, result)

    def _make(self, key: K, promise: Future[T], make: Callable[[], T]) -> T:
        try:
            result = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            promise.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
            self._keep(key, result)
        promise.set_result(result)
        return result

    def _keep(self, key: K, result: T) -> None:
        """Add a result and give up old ones; the lock is held."""
        cost = self._cost(result)
        if cost > self._budget or not self._is_worth(key, cost):
            return
        self._results[key] = (result, cost)
        self.used += cost
        while self.used > self._budget:
            _, (_, freed) = self._results.popitem(last=False)
            self.used -= freed

    def _asked_for(self, key: K) -> None:
        """Take note of each question; the lock is held."""

    def _is_worth(self, key: K, cost: int) -> bool:  # noqa: ARG002
        """Return whether a result is worth those that would be given up for it; the lock is held."""
        return True

    def forget(self, is_meant: Callable[[K], bool]) -> None:
        """Give up the results of some keys."""
        with self._lock:
            for key in [key for key in self._results if is_meant(key)]:
                self.used -= self._results.pop(key)[1]


class RememberedThroughScans(Remembered[K, T]):
    """Results of which a part stays when more than the budget is asked for again and again, in the same order.

    Where each new result pushes out the one that was not used for longest, such scans find nothing: what they ask
    for next has just gone. So a result comes in only if it was last asked for after what would go for it was; of
    one that is asked for the first time this is said to have been `_FIRST` rounds through the results ago.
    """

    def __init__(self, budget: int, cost: Callable[[T], int] = _one) -> None:
        super().__init__(budget, cost)
        #: When the latest keys, by their hash, were asked for: the last time, and the time before it.
        self._times: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._clock = 0

    def _asked_for(self, key: K) -> None:
        self._clock += 1
        hashed = hash(key)
        known = self._times.pop(hashed, None)
        before = self._clock - _FIRST * len(self._results) if known is None else known[0]
        self._times[hashed] = self._clock, before
        if len(self._times) > _TIMES:
            self._times.popitem(last=False)

    def _is_worth(self, key: K, cost: int) -> bool:
        missing = self.used + cost - self._budget
        before = self._times.get(hash(key), _NEVER)[1]
        for other, (_, freed) in self._results.items():
            if missing <= 0:
                return True
            if self._times.get(hash(other), _NEVER)[0] > before:
                return False
            missing -= freed
        return True
