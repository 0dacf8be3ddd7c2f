"""Loads recorded OTLP into a server: what `tempo-dask load FILE...` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from tempo_dask.otlp_client import ExportRequest, OtlpClient, Unreachable
from tempo_dask.recorded import UnreadableFile, read_requests

SHOWN_ERRORS = 10


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did: requests and spans that the server took, and how many requests or files failed, and why."""

    requests: int
    spans: int
    failed: int
    errors: tuple[str, ...] = ()


def load_files(
    paths: Sequence[Path], url: str = "http://127.0.0.1:4318", connections: int = 4, quiet: bool = False
) -> LoadReport:
    """Send every request of the files to an OTLP/HTTP endpoint, with a progress bar and a summary unless `quiet`.

    Files are read as `tempo_dask.recorded` says. A file that cannot be read, or a request that the server refuses, is
    counted as failed and does not stop the others; a server that does not answer does.
    """
    unreadable: list[str] = []
    report = send_requests(
        _read_all(paths, unreadable), sum(map(_size_bytes, paths)), url, connections=connections, quiet=quiet
    )
    report = LoadReport(report.requests, report.spans, report.failed + len(unreadable), (*unreadable, *report.errors))
    _say(Console(stderr=True, quiet=quiet), report)
    return report


def send_requests(
    requests: Iterable[ExportRequest],
    total: int,
    url: str,
    *,
    connections: int = 4,
    tenant: str = "",
    quiet: bool = False,
) -> LoadReport:
    """Send requests under a progress bar whose end is at the position `total`; return what became of them."""
    tally = _Tally()
    with _progress(quiet) as progress:
        task = progress.add_task("loading", total=total, spans=0)
        try:
            with OtlpClient(url, connections, tenant) as client:
                for request, wrong in client.send_all(requests):
                    tally.count(request, wrong)
                    progress.update(task, completed=tally.position, spans=tally.spans)
        except Unreachable as error:
            tally.errors.append(f"{error}; is a server running there?")
    return LoadReport(tally.requests, tally.spans, len(tally.errors), tuple(tally.errors))


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    spans: int = 0
    position: int = 0
    errors: list[str] = field(default_factory=list)

    def count(self, request: ExportRequest, wrong: str | None) -> None:
        self.position = max(self.position, request.position)
        if wrong is not None:
            self.errors.append(f"{request.place}: {wrong}")
            return
        self.requests += 1
        self.spans += request.spans


class _Rate(ProgressColumn):
    """Spans sent so far, and how many a second."""

    def render(self, task: Task) -> Text:
        spans = int(task.fields["spans"])
        return Text(f"{spans:,} spans, {spans / max(task.elapsed or 0.0, 1e-3):,.0f}/s")


def _progress(quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet)


def _read_all(paths: Iterable[Path], unreadable: list[str]) -> Iterator[ExportRequest]:
    """Yield the requests of all files, positions counted on from file to file."""
    before = 0
    for path in paths:
        try:
            for request in read_requests(path):
                yield replace(request, position=before + request.position)
        except UnreadableFile as error:
            unreadable.append(str(error))
        before += _size_bytes(path)


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _say(console: Console, report: LoadReport) -> None:
    console.print(f"{report.requests:,} requests with {report.spans:,} spans loaded")
    for error in report.errors[:SHOWN_ERRORS]:
        console.print(f"[red]failed[/red] {escape(error)}", soft_wrap=True)
    if len(report.errors) > SHOWN_ERRORS:
        console.print(f"... and {len(report.errors) - SHOWN_ERRORS:,} more failures")
