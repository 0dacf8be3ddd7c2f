"""A run from end to end: a server of its own where none is named, spans loaded, questions asked."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from tempo_dask.bench.compare import STEADY, Advance, Pace, compare
from tempo_dask.bench.data import HOUR_S, DataSet, visible_spans
from tempo_dask.bench.results import Results
from tempo_dask.bench.shapes import SEARCHES, SUITE, Kind, Shape, Window
from tempo_dask.bench.target import Target
from tempo_dask.demo.server import Ports, choose_ports, serving
from tempo_dask.errors import BadRequest, Unavailable
from tempo_dask.load import send_requests

ANY_FREE = Ports(http=0, otlp_grpc=0, otlp_http=0, grpc=0)
OTLP_PORT = 4318

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Session:
    """What to do: `data` is loaded by the addresses `otlp`, one a target; of None, targets are asked as they are."""

    targets: tuple[Target, ...]
    data: DataSet | None
    otlp: tuple[str, ...] = ()
    window: Window | None = None
    shapes: tuple[Shape, ...] = SUITE
    pace: Pace = STEADY
    settle_s: float = 60.0

    def __post_init__(self) -> None:
        if self.otlp and len(self.otlp) != len(self.targets):
            raise BadRequest(f"expected as many OTLP addresses as targets: {len(self.targets)}")

    @property
    def asked_window(self) -> Window:
        """The time that is asked for: the given one, that of the loaded spans, or the last hour."""
        now_s = int(time.time())
        return self.window or (self.data.window() if self.data else Window(now_s - HOUR_S, now_s))

    @property
    def questions(self) -> int:
        """How many questions are asked at most."""
        return len(self.targets) * len(self.shapes) * (self.pace.rounds + 1)

    def load(self, say: Say) -> None:
        """Send the data to all targets and wait until it is visible. Raises Unavailable where it is not taken."""
        if self.data is not None:
            for target, address in zip(self.targets, self.otlp, strict=True):
                self._load(self.data, target, address, say)

    def ask(self, advance: Advance = str) -> Results:
        """Ask the questions; a trace by id is asked for if the first target has any. Raises Unavailable."""
        window = self.asked_window
        results = compare(self.targets, _with_trace(self.shapes, self.targets[0], window), window, self.pace, advance)
        return replace(results, about={**results.about, "set": self.data.name if self.data else "what was there"})

    def _load(self, data: DataSet, target: Target, address: str, say: Say) -> None:
        report = send_requests(data.requests(), data.spans, address, tenant=target.tenant)
        if report.failed:
            raise Unavailable(f"{target.name}: {report.failed} requests were not taken: {report.errors[0]}")
        _flush(target)
        seen = visible_spans(target, data, self.settle_s)
        told = "it cannot count them (metrics are off there?)" if seen is None else f"{seen:,} are visible"
        say(f"{target.name}: {report.spans:,} spans sent, {told}")


@contextmanager
def own_server(name: str = "tempo-dask") -> Iterator[tuple[Target, str]]:
    """Run a server on free ports and in a temporary folder; yield it and its OTLP address. Raises DemoFailed."""
    ports = choose_ports(ANY_FREE)
    with tempfile.TemporaryDirectory(prefix="tempo-dask-bench-") as folder, serving(ports, Path(folder)):
        yield Target(name, ports.http_url), ports.otlp_url


def default_otlp(targets: Sequence[Target]) -> tuple[str, ...]:
    """Return where Tempo takes spans by OTLP over HTTP if nobody moved it: port 4318 of the same host."""
    return tuple(f"{target.url.rpartition(':')[0] or target.url}:{OTLP_PORT}" for target in targets)


def _with_trace(shapes: Sequence[Shape], target: Target, window: Window) -> list[Shape]:
    """Return the questions with an id in those for a trace; without them where the target finds no trace."""
    if all(shape.query for shape in shapes if shape.kind is Kind.TRACE):
        return list(shapes)
    trace = _any_trace(target, window)
    named = (replace(shape, query=trace) if shape.kind is Kind.TRACE and not shape.query else shape for shape in shapes)
    return [shape for shape in named if shape.kind is not Kind.TRACE or shape.query]


def _any_trace(target: Target, window: Window) -> str:
    with target.connected() as asking:
        answer = asking.ask(SEARCHES["most recent"].path(window))
    try:
        found = orjson.loads(answer.body)["traces"]
        return str(found[0]["traceID"]) if found else ""
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""


def _flush(target: Target) -> None:
    """Ask for blocks, as operators may; a target that does not offer it keeps its spans where they are."""
    with target.connected() as asking:
        try:
            asking.ask("/flush", "POST")
        except Unavailable:
            return
