"""`tempo-dask bench`: the suite of questions, asked of servers with Tempo's API side by side."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tempo_dask.api.decode_durations import parse_prometheus_duration
from tempo_dask.bench.compare import Pace
from tempo_dask.bench.data import DataSet, recorded, shop
from tempo_dask.bench.history import append, history_svg
from tempo_dask.bench.results import Results
from tempo_dask.bench.results_chart import results_svg
from tempo_dask.bench.results_table import complaints, results_table
from tempo_dask.bench.session import Session, default_otlp, own_server
from tempo_dask.bench.shapes import SHORT_SUITE, SUITE, Shape, Window, read_shapes
from tempo_dask.bench.target import Target
from tempo_dask.errors import BadRequest, TempoDaskError

SHOP = "shop"

EPILOG = """**Examples**

`tempo-dask bench` starts a server of its own with a made-up shop's spans, asks the suite, and stops it

`tempo-dask bench --url http://localhost:3200` asks the server there about its last hour

`tempo-dask bench --url ours=http://a:3200 --url tempo=http://b:3200 --load shop --json run.json --plot run.svg`
sends the same spans to both (OTLP over HTTP, port 4318 of each host) and compares them

`tempo-dask bench --url http://a:3200 --queries mine.txt --since 6h` asks your own queries: a line `NAME: TRACEQL` each

**How to read it**

A cell is the median of the rounds in milliseconds, until the last byte of the answer is here; in brackets the
quartiles, behind them the very first time. `x` is how many times as long as the first target it took, round by round.
Targets are asked in turn, one question at a time, over a connection that is kept. A list below the table says where
answers differ or failed: a fast wrong answer is no answer. Run it on a machine that does nothing else.
"""


def bench(
    url: Annotated[
        list[str] | None, typer.Option(metavar="[NAME=]URL", help="A query API to ask; several are compared.")
    ] = None,
    load: Annotated[
        list[str] | None, typer.Option(metavar="shop|FILE", help="What to send first: made-up spans, or recorded OTLP.")
    ] = None,
    otlp: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Where --load goes, one per --url. Default: port 4318.")
    ] = None,
    spans: Annotated[int, typer.Option(min=1, help="How many spans the made-up shop has.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each question is asked, the first time aside.")] = 7,
    seconds: Annotated[float, typer.Option(min=0, help="Begin no further round after this. 0: all rounds.")] = 0,
    since: Annotated[
        str, typer.Option(metavar="DURATION", help="A window that ends now. Default: 1h, or --load's.")
    ] = "",
    queries: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own questions instead of the suite.")
    ] = None,
    only: Annotated[str, typer.Option(metavar="REGEX", help="Those questions alone whose name has this in it.")] = "",
    short: Annotated[bool, typer.Option("--short", help="Seven questions that differ in kind.")] = False,
    tenant: Annotated[str, typer.Option(metavar="ID", help="The tenant, where targets have several.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the figures, as SVG.")] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append the first target's medians, a line of JSON a run.")
    ] = None,
    history_plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw that file, as SVG.")] = None,
) -> None:
    """Benchmark TraceQL: ask one or more servers with Tempo's API the same questions, side by side.

    The status is 1 where a target failed to answer a question; answers that differ are told.
    """
    try:
        asked = _Asked(tuple(url or ()), tuple(load or ()), tuple(otlp or ()), spans, since, tenant)
        pace = Pace(rounds, seconds or float("inf"))
        with asked.session(_shapes(queries, only, short), pace) as session:
            results = _run(session)
        _write(results, json_file, plot)
        if history is not None:
            runs = append(history, results)
            if history_plot is not None:
                history_plot.write_text(history_svg(runs))
    except (TempoDaskError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    if results.failing():
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the options say of whom to ask about what."""

    urls: tuple[str, ...]
    load: tuple[str, ...]
    otlp: tuple[str, ...]
    spans: int
    since: str
    tenant: str

    @contextmanager
    def session(self, shapes: Sequence[Shape], pace: Pace) -> Iterator[Session]:
        """Yield the session; a server of its own runs meanwhile where none is named."""
        targets = tuple(Target.read(url, self.tenant) for url in self.urls)
        if self.otlp and not self.load:
            raise BadRequest("--otlp says where --load goes, and there is no --load")
        session = Session(targets, self._data(), self.otlp, self._window(), tuple(shapes), pace)
        if targets:
            yield replace(session, otlp=self.otlp or default_otlp(targets))
            return
        with own_server() as (target, address):
            yield replace(session, targets=(target,), otlp=(address,))

    def _data(self) -> DataSet | None:
        files = tuple(Path(name) for name in self.load if name != SHOP)
        if files and SHOP in self.load:
            raise BadRequest("expected files or the shop, found both")
        if files:
            return recorded(files)
        return shop(self.spans) if self.load or not self.urls else None

    def _window(self) -> Window | None:
        if not self.since:
            return None
        try:
            length_s = parse_prometheus_duration(self.since) // 10**9
        except ValueError as error:
            raise BadRequest(f"--since: {error}") from error
        now_s = int(time.time())
        return Window(now_s - length_s, now_s)


def _shapes(queries: Path | None, only: str, short: bool) -> Sequence[Shape]:
    shapes = read_shapes(queries.read_text().splitlines()) if queries else SHORT_SUITE if short else SUITE
    try:
        chosen = [shape for shape in shapes if re.search(only, shape.name)]
    except re.error as error:
        raise BadRequest(f"--only: {error}") from error
    if not chosen:
        raise BadRequest(f"no question is called like {only!r}; there are: {', '.join(shape.name for shape in shapes)}")
    return chosen


def _run(session: Session) -> Results:
    console = Console(stderr=True)
    session.load(lambda told: console.print(escape(told)))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("asking", total=session.questions, visible=False)

        def advance(name: str) -> None:
            progress.update(task, advance=1, description=escape(name), visible=True)

        return session.ask(advance)


def _write(results: Results, json_file: Path | None, plot: Path | None) -> None:
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    console.print(results_table(results))
    for complaint in complaints(results):
        console.print(escape(complaint), soft_wrap=True)
    if json_file is not None:
        json_file.write_bytes(results.to_json())
    if plot is not None:
        plot.write_text(results_svg(results))
