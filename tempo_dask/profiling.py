"""What the process is doing, as profiles that the pprof tool reads."""

from __future__ import annotations

import gzip
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from types import FrameType

from tempo_dask.api.pb.profile_pb2 import Function, Line, Location, Profile, Sample, ValueType

#: A hundred looks a second cost about a hundredth of a core.
EVERY_S = 0.01
LONGEST_S = 60.0
_DEEPEST = 128

#: Function, file, line; innermost first.
Frame = tuple[str, str, int]
Stack = tuple[Frame, ...]


def cpu_profile(seconds: float) -> bytes:
    """Return where all threads were, looked at again and again for some seconds."""
    started, until = time.time_ns(), time.monotonic() + min(seconds, LONGEST_S)
    stacks: Counter[Stack] = Counter()
    own = threading.get_ident()
    while time.monotonic() < until:
        stacks.update(stack for ident, stack in _stacks() if ident != own)
        time.sleep(EVERY_S)
    period_ns = int(EVERY_S * 1e9)
    values = {stack: (count, count * period_ns) for stack, count in stacks.items()}
    profile = _Builder((("samples", "count"), ("wall", "nanoseconds")))
    return profile.encoded(values, started, period=("wall", "nanoseconds", period_ns))


def thread_profile() -> bytes:
    """Return where each thread is now."""
    counts = Counter(stack for _, stack in _stacks())
    return _Builder((("threads", "count"),)).encoded({stack: (n,) for stack, n in counts.items()}, time.time_ns())


def heap_profile(seconds: float) -> bytes:
    """Return what Python allocated in some seconds and still holds, by where; memory of libraries is not seen."""
    started = time.time_ns()
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start(_DEEPEST)
    try:
        time.sleep(min(seconds, LONGEST_S))
        snapshot = tracemalloc.take_snapshot()
    finally:
        if not was_tracing:
            tracemalloc.stop()
    found: dict[Stack, tuple[int, ...]] = {}
    for held in snapshot.statistics("traceback"):
        stack = tuple(("", frame.filename, frame.lineno) for frame in reversed(held.traceback))
        found[stack] = (held.count, held.size)
    return _Builder((("inuse_objects", "count"), ("inuse_space", "bytes"))).encoded(found, started)


def thread_text() -> str:
    """Return where each thread is now, to be read."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    blocks = []
    for ident, stack in _stacks():
        lines = (f"  {file}:{line} {name}" for name, file, line in stack)
        blocks.append("\n".join([f"thread {ident} [{names.get(ident, '?')}]:", *lines]))
    return "\n\n".join(blocks) + "\n"


def _stacks() -> Iterator[tuple[int, Stack]]:
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  # the documented way to see other threads
        yield ident, tuple(_frames(frame))


def _frames(frame: FrameType | None) -> Iterator[Frame]:
    for _ in range(_DEEPEST):
        if frame is None:
            return
        yield frame.f_code.co_qualname, frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


class _Builder:
    """Numbers texts, functions and lines."""

    def __init__(self, kinds: tuple[tuple[str, str], ...]) -> None:
        self._texts: dict[str, int] = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Frame, int] = {}
        self._profile = Profile(sample_type=[self._kind(*kind) for kind in kinds])

    def encoded(
        self, values: Mapping[Stack, tuple[int, ...]], started_ns: int, period: tuple[str, str, int] | None = None
    ) -> bytes:
        """Return the profile, packed."""
        profile = self._profile
        for stack, value in values.items():
            profile.sample.append(Sample(location_id=[self._location(frame) for frame in stack], value=value))
        profile.time_nanos, profile.duration_nanos = started_ns, time.time_ns() - started_ns
        if period is not None:
            profile.period_type.CopyFrom(self._kind(*period[:2]))
            profile.period = period[2]
        profile.string_table.extend(self._texts)
        return gzip.compress(profile.SerializeToString(), mtime=0)

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))

    def _kind(self, kind: str, unit: str) -> ValueType:
        return ValueType(type=self._text(kind), unit=self._text(unit))

    def _location(self, frame: Frame) -> int:
        if frame not in self._locations:
            name, file, line = frame
            self._locations[frame] = len(self._locations) + 1
            lines = [Line(function_id=self._function(name or file, file), line=line)]
            self._profile.location.append(Location(id=self._locations[frame], line=lines))
        return self._locations[frame]

    def _function(self, name: str, file: str) -> int:
        if (name, file) not in self._functions:
            number = self._functions[name, file] = len(self._functions) + 1
            text, where = self._text(name), self._text(file)
            self._profile.function.append(Function(id=number, name=text, system_name=text, filename=where))
        return self._functions[name, file]
