"""A thread that does one thing over and over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Waits after an error: doubled each time it comes again.
FIRST_BACKOFF_S = 0.5
LAST_BACKOFF_S = 60.0


class Background:
    """Calls `step` until stopped, `pause_s` after it returned; an error is logged and the next call comes later."""

    def __init__(self, name: str, step: Callable[[], object], pause_s: float = 0.0) -> None:
        self._name = name
        self._step = step
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Let the current call finish and end the thread, or go on without it after `timeout_s`."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            try:
                self._step()
            except Exception:  # a background thread must outlive what goes wrong in it
                log.exception("%s failed, again in %.1f s", self._name, backoff_s)
                self._stopping.wait(backoff_s)
                backoff_s = min(2 * backoff_s, LAST_BACKOFF_S)
            else:
                self._stopping.wait(self._pause_s)
                backoff_s = FIRST_BACKOFF_S
