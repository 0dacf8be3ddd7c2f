"""Workers on this machine that come and go with what is asked: one more where tasks wait, fewer after a quiet while."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from distributed import LocalCluster
from distributed.security import Security

log = logging.getLogger(__name__)

#: How long fewer workers must do before some are let go.
QUIET_S = 60.0
#: Tasks that a thread of a worker may have before it and still need no help.
_TASKS_PER_THREAD = 2


@dataclass(slots=True)
class Scale:
    """Says how many workers there should be. `minimum` and `maximum` bound it."""

    minimum: int
    maximum: int
    threads: int  # of each worker
    monotonic: Callable[[], float] = time.monotonic
    count: int = field(init=False)
    _busy_until_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.count = self.minimum

    def wanted(self, waiting_tasks: int) -> int:
        """Return how many workers there should be while so many tasks are asked for and not done."""
        now = self.monotonic()
        needed = math.ceil(waiting_tasks / (self.threads * _TASKS_PER_THREAD))
        needed = max(self.minimum, min(self.maximum, needed))
        if needed >= self.count:
            self._busy_until_s = now + QUIET_S
            self.count = needed
        elif now >= self._busy_until_s:
            self.count = needed
        return self.count


class OwnWorkers:
    """A scheduler and workers that this process starts on loopback, and stops."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._cluster: Any = LocalCluster(
            n_workers=scale.minimum,
            threads_per_worker=scale.threads,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
            security=Security(),  # type: ignore[no-untyped-call]  # Dask is partly typed
            silence_logs=logging.ERROR,
            memory_limit=0,
            preload=["tempo_dask.worker"],
        )

    @property
    def address(self) -> str:
        """Where the scheduler is."""
        return str(self._cluster.scheduler_address)

    def step(self, waiting_tasks: int) -> None:
        """Start or stop workers as the load wants it."""
        before = self._scale.count
        wanted = self._scale.wanted(waiting_tasks)
        if wanted != before:
            log.info("%d tasks wait, so there are %d workers from now on", waiting_tasks, wanted)
            self._cluster.scale(wanted)

    def close(self) -> None:
        """Stop all of them."""
        self._cluster.close()
