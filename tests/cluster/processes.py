"""A real scheduler and real workers for tests: child processes on the loopback interface."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

REPOSITORY = Path(__file__).resolve().parents[2]
WAIT_S = 120.0
LOOPBACK = ("--host", "127.0.0.1")


class DaskProcesses:
    """A scheduler and its workers, with `folder` for their files. Use as a context manager, which ends them all."""

    def __init__(self, folder: Path, *, tls: Sequence[str] = ()) -> None:
        self.folder = folder
        self.address = ""
        self.workers: list[subprocess.Popen[bytes]] = []
        self._tls = tls
        self._scheduler: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start_scheduler()
        return self

    def __exit__(self, *_error: object) -> None:
        for process in self.workers:
            end(process)
        self.stop_scheduler()

    def start_scheduler(self) -> None:
        """Start the scheduler, at the address it had before where it was there before."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        port = self.address.rpartition(":")[2] or "0"
        options = ("--port", port, "--no-dashboard", "--scheduler-file", str(file))
        self._scheduler = self._started("scheduler", *LOOPBACK, *options)
        self.address = _waited_for(self._scheduler, file)

    def stop_scheduler(self) -> None:
        """End the scheduler at once."""
        if self._scheduler is not None:
            end(self._scheduler)
            self._scheduler = None

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread; it joins by and by."""
        plain = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
        process = self._started("worker", self.address, *LOOPBACK, *plain, *options)
        self.workers.append(process)
        return process

    def _started(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{command[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", command[0], *self._tls, *command[1:]],
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,  # chunk functions of tests are imported from there
            )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, whatever state it is in."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait()


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until a call says True."""
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _waited_for(scheduler: subprocess.Popen[bytes], file: Path) -> str:
    """Return the address that a scheduler writes down."""

    def is_written() -> bool:
        assert scheduler.poll() is None, "the scheduler ended"
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return bool(json.loads(file.read_text())["address"])
        return False

    until(is_written, "the scheduler starts")
    return str(json.loads(file.read_text())["address"])
