"""What was measured of scaling, kept as JSON, and the tables of docs/scaling.md that follow from it.

`python -m benchmarks.scaling_report` writes the tables anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from tempo_dask.bench.cost_model import CostModel, Layout, Parts, Run, fit, fit_overhead, typical_error

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "benchmarks" / "scaling_runs.json"
DOCUMENT = ROOT / "docs" / "scaling.md"
BEGIN, END = "<!-- {}: written by python -m benchmarks.scaling -->", "<!-- end of {} -->"
WORKERS = (1, 10, 100, 1_000)
SPANS = (10**8, 10**9, 10**10, 10**11, 10**12)
COLD = " (cold)"


@dataclass(frozen=True, slots=True)
class Measurements:
    """Least times: `scans` with columns decoded, `cold` without, `idle` clusters, `planned` as (units, seconds)."""

    scans: Sequence[Run]
    cold: Sequence[Run]
    idle: Sequence[Run]
    planned: Sequence[tuple[int, float]]
    bytes_per_span: Mapping[str, float]
    about: Mapping[str, str]

    def keep(self) -> None:
        """Write it where `kept` finds it."""
        RUNS.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2) + b"\n")

    @classmethod
    def kept(cls) -> Measurements:
        """Return what was measured last."""
        read = orjson.loads(RUNS.read_bytes())
        runs = {name: [_run(run) for run in read[name]] for name in ("scans", "cold", "idle")}
        planned = [(units, seconds) for units, seconds in read["planned"]]
        return cls(**runs, planned=planned, bytes_per_span=read["bytes_per_span"], about=read["about"])

    @property
    def runs(self) -> list[Run]:
        """All scans; cold ones under a name of their own."""
        return [*self.scans, *(Run(run.query + COLD, run.layout, run.seconds) for run in self.cold)]

    def model(self, most_spans: int = 10**18) -> CostModel:
        """Return the model fitted to the runs of at most so many spans.

        Cold queries were measured in one process: what neighbours and shares cost is that of the warm ones.
        """
        runs = [run for run in self.runs if run.layout.spans <= most_spans]
        model = fit(fit_overhead(self.planned, self.idle), runs)
        warm = {name + COLD: cost for name, cost in model.queries.items()}
        queries = {
            name: replace(cost, neighbour_s=warm[name].neighbour_s, share_s=warm[name].share_s)
            if name in warm
            else cost
            for name, cost in model.queries.items()
        }
        return CostModel(model.overhead, queries)


def write_tables(measured: Measurements) -> None:
    """Put the tables into the document."""
    text = DOCUMENT.read_text()
    for name, lines in tables(measured).items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n\n{lines}\n\n{end}{after}"
    DOCUMENT.write_text(text)


def tables(measured: Measurements) -> dict[str, str]:
    """Return each table by its name, as Markdown."""
    model = measured.model()
    return {
        "measured": "\n".join(_measured(measured, model)),
        "costs": "\n".join(_costs(measured, model)),
        "errors": "\n".join(_errors(measured, model)),
        "search": "\n".join(_predicted(model, "attribute and duration")),
        "metrics": "\n".join(_predicted(model, "p50, p90, p99 by service")),
        "cold": "\n".join(_predicted(model, "attribute and duration" + COLD)),
    }


def _measured(measured: Measurements, model: CostModel) -> Iterator[str]:
    about = measured.about
    yield f"Milliseconds, the least of 7, in brackets what the model says; {about['at'][:10]}, {about['machine']},"
    yield f"load of the machine {about['load']} at the end."
    yield ""
    layouts = list(dict.fromkeys((run.layout.workers, run.layout.threads) for run in measured.scans))
    yield "| query | spans | " + " | ".join(_place(*layout) for layout in layouts) + " |"
    yield "| --- | --: |" + " --: |" * len(layouts)
    rows: dict[tuple[str, int], list[Run]] = {}
    for run in measured.scans:
        rows.setdefault((run.query, run.layout.spans), []).append(run)
    for (query, spans), runs in sorted(rows.items(), key=lambda row: (row[0][0], row[0][1])):
        cells = (f"{1000 * run.seconds:,.1f} ({1000 * model.seconds(query, run.layout):,.1f})" for run in runs)
        yield f"| {query} | {spans:,} | " + " | ".join(cells) + " |"


def _place(workers: int, threads: int) -> str:
    named = f"{threads} thread{'s' * (threads > 1)}"
    return f"{workers} worker{'s' * (workers > 1)} of {named}" if workers else f"one process, {named}"


def _costs(measured: Measurements, model: CostModel) -> Iterator[str]:
    overhead = model.overhead
    yield "| what any query costs | |"
    yield "| --- | --: |"
    yield f"| planning a unit, on the coordinator | {1e6 * overhead.unit_s:.2f} µs |"
    yield f"| asking a cluster at all | {1000 * overhead.cluster_s:.2f} ms |"
    yield f"| each share, two a thread | {1000 * overhead.share_s:.2f} ms |"
    yield f"| each unit in a share | {1e6 * overhead.travelling_unit_s:.1f} µs |"
    yield ""
    yield "| query | once ms | M spans/s a thread | a sibling costs | a neighbour costs | joining a share, ms |"
    yield "| --- | --: | --: | --: | --: | --: |"
    for name, cost in model.queries.items():
        sibling, neighbour = (f"{more / cost.span_s:.0%}" for more in (cost.sibling_s, cost.neighbour_s))
        rate = f"{1e-6 / cost.span_s:,.0f}"
        yield f"| {name} | {1000 * cost.once_s:.2f} | {rate} | {sibling} | {neighbour} | {1000 * cost.share_s:.2f} |"
    yield ""
    read = ", ".join(f"{name} {size:.2f}" for name, size in measured.bytes_per_span.items())
    yield f"Bytes of a block's file that a cold scan reads for each span: {read}."


def _errors(measured: Measurements, model: CostModel) -> Iterator[str]:
    sizes = sorted({run.layout.spans for run in measured.scans})
    yield "| spans | runs | typical error | worst |"
    yield "| --: | --: | --: | --: |"
    for size in sizes:
        yield _error_row(f"{size:,}", model, [run for run in measured.runs if run.layout.spans == size])
    yield _error_row("all", model, measured.runs)
    largest = [run for run in measured.scans if run.layout.spans == sizes[-1]]
    yield _error_row(f"{sizes[-1]:,}, fitted to smaller ones alone", measured.model(sizes[-2]), largest)


def _error_row(name: str, model: CostModel, runs: Sequence[Run]) -> str:
    errors = model.errors(runs)
    return f"| {name} | {len(errors)} | {typical_error(errors):.0%} | {max(errors, key=abs):+.0%} |"


def _predicted(model: CostModel, query: str) -> Iterator[str]:
    yield (
        "| spans in the window | "
        + " | ".join(f"{workers:,} worker{'s' * (workers > 1)}" for workers in WORKERS)
        + " |"
    )
    yield "| --: |" + " --: |" * len(WORKERS)
    for spans in SPANS:
        parts = (model.parts(query, Layout.of(spans, workers)) for workers in WORKERS)
        yield f"| 10^{len(str(spans)) - 1} | " + " | ".join(_time(part) for part in parts) + " |"


def _time(parts: Parts) -> str:
    total_s = parts.total_s
    told = (
        f"{1000 * total_s:,.0f} ms"
        if total_s < 1
        else f"{total_s:,.1f} s"
        if total_s < 100
        else f"{total_s / 60:,.0f} min"
    )
    return told if parts.largest == "scan" else f"{told} ({parts.largest})"


def _run(read: dict[str, Any]) -> Run:
    return Run(read["query"], Layout(**read["layout"]), read["seconds"])


if __name__ == "__main__":
    write_tables(Measurements.kept())
