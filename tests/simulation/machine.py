"""A machine that a seed drives: its disk, its clock, its random numbers, and who runs when."""

from __future__ import annotations

import errno
import logging
import random
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock
from weakref import WeakKeyDictionary

from storage import stitch, veil
from storage.block.table_file import TableFile
from storage.files import Entry
from storage.local_objects import LocalStore
from tempo_dask.physical.column_cache import DEFAULT_BYTES, PROCESS_CACHE
from tests.ingest.numbered import START_NS
from tests.simulation.inline import InlineLoop, in_turn
from tests.simulation.scheduler import Scheduler, TurnLock
from tests.storage.power_loss import PowerCut, PowerLossFiles

A = TypeVar("A")

DATA = Path("/no-such-place")
SECOND_NS = 10**9
#: How often a machine crashes at a pause or an await, and not at an operation of the disk.
OFF_BETWEEN = 0.35
#: Within how many a machine crashes: at once, somewhere in the middle, or hardly.
OPERATIONS_OF_A_LIFE, PAUSES_OF_A_LIFE = (50, 200, 800), (100, 400, 1600)

#: Modules with locks that are held while files are read or written.
_LOCKS = ("storage.wal", "storage.commit_log", "storage.block_store", "storage.block.reader", "tempo_dask.ingest.flush")


class SimulatedFiles(PowerLossFiles):
    """Every operation, also one that only reads, is a place where others may run or the plug may be pulled."""

    def __init__(self, machine: Machine, seed: int) -> None:
        super().__init__(seed=seed, clock=machine.clock)
        self._machine = machine

    def step(self, name: str, half_done=lambda rng: None) -> None:
        self._machine.pause()
        super().step(name, half_done)

    def read(self, path: Path) -> bytes:
        self._look()
        return super().read(path)

    def read_range(self, path: Path, start: int, stop: int) -> bytes:
        self._look()
        return super().read_range(path, start, stop)

    def size(self, path: Path) -> int:
        self._look()
        return super().size(path)

    def entries(self, path: Path) -> list[Entry]:
        self._look()
        return super().entries(path)

    def _look(self) -> None:
        self._machine.pause()
        if self.cut_at is not None and self.operations >= self.cut_at:
            raise PowerCut


class SimulatedStore(LocalStore):
    """A local store whose files cannot be mapped, for they are not really there."""

    def local_path(self, key: str) -> None:
        return None


class Machine:
    """Everything that a seed decides."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_ns = START_NS
        self.files = SimulatedFiles(self, seed)
        self.scheduler = Scheduler(self.rng)
        self._pauses = 0
        self._off_at: int | None = None
        self.files.make_folder(DATA)
        self.files.sync_folder(DATA.parent)

    def clock(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return (self.now_ns - START_NS) / SECOND_NS

    def pause(self) -> None:
        """Some time goes by, and somebody else may run."""
        self.now_ns += self.rng.randint(1, SECOND_NS // 20)
        self._go_on()
        self.scheduler.pause()

    def wait(self, seconds: float | None) -> None:
        """Let the others run for a while, or (None) until one of them wakes whoever waits."""
        if seconds is not None:
            self.now_ns += int(seconds * SECOND_NS)
        self._go_on()
        self.scheduler.pause(must_switch=True)

    def _go_on(self) -> None:
        """Count a pause; at the one that was chosen, and behind it, the machine is off."""
        self._pauses += 1
        if self._off_at is not None and self._pauses >= self._off_at:
            self.files.cut_at = self.files.operations  # nobody does anything any more
            raise PowerCut

    def awaited(self, coroutine: Coroutine[Any, Any, A]) -> A:
        """Run a coroutine, and what it would have done in other threads, to its end."""
        loop = InlineLoop(self.monotonic, self.wait, self.pause)
        try:
            return loop.run_until_complete(coroutine)
        except PowerCut:
            loop.abandon()
            raise
        finally:
            loop.close()

    def store(self) -> SimulatedStore:
        return SimulatedStore(DATA / "blocks", files=self.files)

    def arm(self) -> None:
        """Choose what will go wrong in the life that begins: at an operation of the disk, or between two.

        Some lives end in peace.
        """
        start = self.files.operations
        if self.rng.random() < OFF_BETWEEN:
            self._off_at = self._pauses + self.rng.randint(1, self.rng.choice(PAUSES_OF_A_LIFE))
        else:
            self.files.cut_at = start + self.rng.randint(1, self.rng.choice(OPERATIONS_OF_A_LIFE))
        if self.rng.random() < 0.3:
            failing = {start + self.rng.randint(1, 200) for _ in range(self.rng.randint(1, 4))}
            self.files.failures = dict.fromkeys(failing, errno.ENOSPC)

    def restart(self) -> None:
        """Power is back, or the process was only killed."""
        if self.rng.random() < 0.7:
            self.files.pull_the_plug(self.rng.choice(["least", "most", "mixed"]))
        self._off_at = self.files.cut_at = None
        self.files.failures = {}

    @contextmanager
    def in_charge(self) -> Iterator[None]:
        """Take the place of clocks, random numbers and locks in the code under test."""
        for remembered in (stitch._stitchings, stitch._pairs, veil._held, veil._veiled):  # ids come again
            remembered.forget(lambda _key: True)
        PROCESS_CACHE.resize(DEFAULT_BYTES)
        clock = SimpleNamespace(time_ns=self.clock, monotonic=self.monotonic, sleep=lambda _s: self.pause())
        with ExitStack() as stack:
            logging.disable()  # what fails is meant to, thousands of times
            stack.callback(logging.disable, logging.NOTSET)
            stack.enter_context(mock.patch("uuid.uuid4", self._uuid))
            stack.enter_context(mock.patch("storage.wal_segments.secrets.token_bytes", self.rng.randbytes))
            stack.enter_context(mock.patch("storage.commit_log.random.uniform", return_value=0.0))
            for module in ("storage.commit_log", "storage.local_objects", "storage.block_store"):
                stack.enter_context(mock.patch(f"{module}.time", clock))
            for module in ("storage.commit_log", "storage.block_store"):
                stack.enter_context(mock.patch(f"{module}.in_parallel", in_turn))
            stack.enter_context(mock.patch("storage.remembered.Future", self.scheduler.promise))
            stack.enter_context(mock.patch.object(TableFile, "_read", self._one_at_a_time(TableFile._read)))
            for module in _LOCKS:
                stack.enter_context(mock.patch(f"{module}.threading", self.scheduler.threading_of_turns()))
            yield

    def _one_at_a_time(self, read: Callable[..., A]) -> Callable[..., A]:
        """Return a method that two actors never run on one object: pyarrow holds a lock of its own as it reads."""
        locks: WeakKeyDictionary[object, TurnLock] = WeakKeyDictionary()

        def locked(owner: object, *args: object) -> A:
            with locks.setdefault(owner, TurnLock(self.scheduler)):
                return read(owner, *args)

        return locked

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self.rng.getrandbits(128), version=4)
