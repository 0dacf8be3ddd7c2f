"""Records a trace in virtual time: journeys are written as the calls they make, and time passes where they say so.

with t.serve("checkout", "PlaceOrder"):        # a SERVER span opens at the cursor
    t.work(2.0)                                # the cursor moves by about 2 ms
    with t.call("payment", "Charge"):          # a CLIENT span of checkout around a SERVER span of payment
        t.work(30.0)                           # both close where the cursor stands
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tempo_dask.demo.services import BY_NAME, SERVICES
from tempo_dask.demo.values import Value

Kind: TypeAlias = "Span.SpanKind.ValueType"
SERVER: Kind = Span.SPAN_KIND_SERVER
CLIENT: Kind = Span.SPAN_KIND_CLIENT
INTERNAL: Kind = Span.SPAN_KIND_INTERNAL
PRODUCER: Kind = Span.SPAN_KIND_PRODUCER
CONSUMER: Kind = Span.SPAN_KIND_CONSUMER

PAUSE_CHANCE = 0.004


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of a span, `at_ns` after the trace began."""

    at_ns: int
    name: str
    attributes: dict[str, Value]


@dataclass(slots=True)
class Recorded:
    """A span while it is recorded; times in nanoseconds after the trace began."""

    service: int
    scope: int
    name: str
    kind: Kind
    parent: int | None
    start_ns: int
    attributes: dict[str, Value]
    end_ns: int = 0
    events: list[Happening] = field(default_factory=list)
    links: int = 0
    error: str | None = None
    is_ok: bool = False


class Recorder:
    """One trace being made up. `now_ns` is the cursor; `bad_deploy` says whether the trace meets the bad version."""

    def __init__(self, rng: Random, *, bad_deploy: bool = False) -> None:
        self.rng = rng
        self.bad_deploy = bad_deploy
        self.now_ns = 0
        self.spans: list[Recorded] = []
        self.published: int | None = None
        self._open: list[int] = []

    @property
    def span(self) -> Recorded:
        """The innermost open span."""
        return self.spans[self._open[-1]]

    def chance(self, probability: float) -> bool:
        """Return True this often."""
        return self.rng.random() < probability

    def work(self, median_ms: float, spread: float = 0.45) -> None:
        """Let time pass: log-normal around a median, as latencies are, with now and then a pause of the machine."""
        pause = self.rng.uniform(5.0, 25.0) if self.chance(PAUSE_CHANCE) else 1.0
        self.now_ns += int(median_ms * 1e6 * pause * self.rng.lognormvariate(0.0, spread))

    @contextmanager
    def open(self, service: int, scope: int, name: str, kind: Kind, attributes: dict[str, Value]) -> Iterator[Recorded]:
        """Open a span at the cursor, below the innermost open one; it closes where the cursor then stands."""
        parent = self._open[-1] if self._open else None
        span = Recorded(service, scope, name, kind, parent, self.now_ns, attributes)
        self._open.append(len(self.spans))
        self.spans.append(span)
        try:
            yield span
        finally:
            self._open.pop()
            span.end_ns = self.now_ns

    @contextmanager
    def serve(
        self, service: str, name: str, attributes: dict[str, Value] | None = None, kind: Kind = SERVER
    ) -> Iterator[Recorded]:
        """Open a span in which a service handles something."""
        with self.open(BY_NAME[service], 0, name, kind, attributes or {}) as span:
            yield span

    @contextmanager
    def inside(self, name: str, attributes: dict[str, Value] | None = None) -> Iterator[Recorded]:
        """Open an INTERNAL span of the service at work."""
        with self.ask(name, attributes or {}, INTERNAL) as span:
            yield span

    @contextmanager
    def ask(self, name: str, attributes: dict[str, Value], kind: Kind = CLIENT) -> Iterator[Recorded]:
        """Open a span of the service at work, by its inner library: towards a cache, say, that records nothing."""
        service = self.span.service
        with self.open(service, len(SERVICES[service].scopes) - 1, name, kind, attributes) as span:
            yield span

    @contextmanager
    def call(
        self, service: str, name: str, caller: dict[str, Value], callee: dict[str, Value]
    ) -> Iterator[tuple[Recorded, Recorded]]:
        """Open a CLIENT span and, a network's delay later, the SERVER span it reaches."""
        with self.open(self.span.service, 0, name, CLIENT, caller) as client:
            self.work(0.25, 0.3)
            with self.serve(service, name, callee) as server:
                yield client, server
            self.work(0.2, 0.3)

    def together(self, *branches: Callable[[], None]) -> None:
        """Run branches side by side: all start now, and time goes on when the last has ended."""
        start_ns = self.now_ns
        ends = []
        for branch in branches:
            self.now_ns = start_ns
            branch()
            ends.append(self.now_ns)
        self.now_ns = max(ends)

    def note(self, name: str, attributes: dict[str, Value] | None = None) -> None:
        """Add an event to the innermost open span, now."""
        self.span.events.append(Happening(self.now_ns, name, attributes or {}))

    def fail(self, kind: str, message: str, stack: str) -> None:
        """Mark the innermost open span as failed, with the exception that did it."""
        self.note("exception", {"exception.type": kind, "exception.message": message, "exception.stacktrace": stack})
        self.span.error = message
