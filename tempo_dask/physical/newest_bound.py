"""How new a trace must be to be among the newest that a search keeps: what its tasks tell each other."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Hashable, Iterable

_EVER = -(2**63)


class NewestBound:
    """The start of the last of the newest traces found so far, of which there are at most `limit`. For many threads.

    It spares work and changes no answer: older traces would be left out later. So each process has a bound of its
    own, and one that travels starts anew.
    """

    def __init__(self, limit: int) -> None:
        self._limit = max(limit, 1)
        self._newest: list[int] = []  # a heap, the oldest first
        self._heard: set[Hashable] = set()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[NewestBound], tuple[int]]:
        """Travel without what was found here."""
        return NewestBound, (self._limit,)

    @property
    def start_ns(self) -> int:
        """Traces that start before this are not wanted."""
        with self._lock:
            return self._newest[0] if len(self._newest) == self._limit else _EVER

    def add(self, unit: Hashable, starts_ns: Iterable[int]) -> None:
        """Take note of the traces that a unit has; what is said of it again counts once."""
        with self._lock:
            if unit in self._heard:
                return
            self._heard.add(unit)
            for start_ns in starts_ns:
                if len(self._newest) < self._limit:
                    heapq.heappush(self._newest, start_ns)
                else:
                    heapq.heappushpop(self._newest, start_ns)
