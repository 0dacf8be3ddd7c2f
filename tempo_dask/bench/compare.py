"""Asks every question of every target in turn, round by round, so that what disturbs one disturbs all.

Each round asks for a window that starts a second earlier, so that no cache of whole answers is measured; what a server
keeps of columns and blocks may stay warm, as it is for anyone who looks at the last hour. The first time each question
is asked is told apart from the rounds.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from tempo_dask.bench.answers import Counts, Unreadable, counts_of
from tempo_dask.bench.results import Results, Taken
from tempo_dask.bench.shapes import Shape, Window
from tempo_dask.bench.target import Target
from tempo_dask.errors import BadRequest, Unavailable
from tempo_dask.tempo_client import TIMEOUT_S, Answer, Connection

SHOWN_ERROR_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Pace:
    """How often questions are asked: rounds, no new one after so many seconds, and how long to wait for an answer."""

    rounds: int = 7
    most_s: float = float("inf")
    timeout_s: float = TIMEOUT_S


STEADY = Pace()
#: Is told the name of each question that was answered.
Advance = Callable[[str], object]


@dataclass(slots=True)
class _Tally:
    """What is known by now of one question at one target."""

    shape: Shape
    target: str
    seconds: list[float | None] = field(default_factory=list)
    counts: Counts = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def taken(self) -> Taken:
        first_s, *seconds = self.seconds
        return Taken(self.shape, self.target, first_s, tuple(seconds), self.counts, tuple(self.errors))


def compare(
    targets: Sequence[Target],
    shapes: Sequence[Shape],
    window: Window,
    pace: Pace = STEADY,
    advance: Advance = str,
) -> Results:
    """Ask all shapes of all targets; `advance` is told the name of each question when it is answered.

    A question that fails is told in the results and stops nothing. Raises Unavailable where a target answers nothing
    at all, BadRequest for no or twice the same target.
    """
    if not targets or len({target.name for target in targets}) < len(targets):
        raise BadRequest(f"expected targets of different names, found {[target.name for target in targets]}")
    tallies = [_Tally(shape, target.name) for shape in shapes for target in targets]
    ends = time.monotonic() + pace.most_s
    with ExitStack() as stack:
        asking = [stack.enter_context(target.connected(pace.timeout_s)) for target in targets]
        for one in asking:
            one.ask("/api/echo")
        for number in range(pace.rounds + 1):
            if number > 1 and time.monotonic() > ends:
                break
            _ask_all(asking, tallies, window.from_earlier(number), number, advance)
    return Results(tuple(targets), window, tuple(tally.taken() for tally in tallies), about())


def about() -> dict[str, str]:
    """Return what a reader of results must know of the client's side: when, where, and how busy it was."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "client": f"tempo-dask {version('tempo-dask')}, Python {platform.python_version()}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": f"{os.getloadavg()[0]:.2f}",
    }


def _ask_all(
    asking: Sequence[Connection], tallies: Sequence[_Tally], window: Window, number: int, advance: Advance
) -> None:
    """Ask one round; who is asked first changes from round to round."""
    width = len(asking)
    for first in range(0, len(tallies), width):
        path = tallies[first].shape.path(window)
        for place in range(width):
            turn = (place + number) % width
            _ask(asking[turn], path, tallies[first + turn])
            advance(tallies[first].shape.name)


def _ask(asking: Connection, path: str, tally: _Tally) -> None:
    try:
        answer = asking.ask(path)
        tally.counts = _checked(tally.shape, answer)
    except (Unavailable, Unreadable) as error:
        tally.errors.append(str(error))
        tally.seconds.append(None)
    else:
        tally.seconds.append(answer.seconds)


def _checked(shape: Shape, answer: Answer) -> Counts:
    if answer.status != 200:
        text = answer.body[:SHOWN_ERROR_CHARACTERS].decode(errors="replace").strip()
        raise Unreadable(f"status {answer.status}: {text}")
    return counts_of(shape.kind, answer.body)
