"""Buffers that a thread keeps from one group of requests to the next, so that memory is not mapped anew each time."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np
import numpy.typing as npt

#: Larger buffers are not kept: a group that needs them is rare.
KEPT_BYTES: Final = 32 << 20


class Buffers(threading.local):
    """Arrays of int64 by name; what one holds is whatever was written last."""

    def __init__(self) -> None:
        self._kept: dict[str, npt.NDArray[np.int64]] = {}

    def take(self, name: str, size: int) -> npt.NDArray[np.int64]:
        """Return an array of at least `size` numbers, the same one again as long as that is enough."""
        kept = self._kept.get(name)
        if kept is not None and kept.size >= size:
            return kept
        fresh = np.empty(size + size // 4, np.int64)
        if fresh.nbytes <= KEPT_BYTES:
            self._kept[name] = fresh
        return fresh
