"""Results as a table for a terminal, and what is wrong with them in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from tempo_dask.bench.answers import Counts
from tempo_dask.bench.results import Results, Spread, Taken


def results_table(results: Results) -> Table:
    """Return a table: a row for each question, for each target its median with quartiles, its ratio and its answer."""
    table = Table(title="milliseconds: median (quartiles), first", title_justify="left")
    table.add_column("question")
    for number, target in enumerate(results.targets):
        table.add_column(escape(target.name), justify="right")
        if number:
            table.add_column(f"x {escape(results.targets[0].name)}", justify="right")
    table.add_column("answer")
    for row in results.by_shape():
        table.add_row(escape(row[0].shape.name), *_cells(row), _answers(row), end_section=_ends(results, row))
    table.add_row("geometric mean", *_means(results))
    return table


def complaints(results: Results) -> Iterator[str]:
    """Yield in words where targets answered differently or not at all."""
    for one, other, names in results.differing():
        told = ", ".join(f"{name} {one.counts[name]:,.10g} and {other.counts[name]:,.10g}" for name in names)
        yield f"{one.shape.name}: {one.target} and {other.target} differ: {told}"
    for taken in results.failing():
        asked = len(taken.seconds) + 1
        yield f"{taken.shape.name}: {taken.target} failed {len(taken.errors)} of {asked} times: {taken.errors[0]}"


def _ends(results: Results, row: Sequence[Taken]) -> bool:
    return row[-1] is results.taken[-1]


def _cells(row: Sequence[Taken]) -> Iterator[str]:
    for number, taken in enumerate(row):
        yield _times(taken)
        if number:
            yield _ratio(taken.over(row[0]))


def _times(taken: Taken) -> str:
    if taken.spread is None:
        return "[red]failed[/red]"
    first = "" if taken.first_s is None else f", {1000 * taken.first_s:,.1f}"
    low, median, high = (f"{1000 * value:,.1f}" for value in (taken.spread.low, taken.spread.median, taken.spread.high))
    return f"{median} ({low}..{high}){first}"


def _ratio(ratio: Spread | None) -> str:
    return "" if ratio is None else f"{ratio.median:.2f} ({ratio.low:.2f}..{ratio.high:.2f})"


def _answers(row: Sequence[Taken]) -> str:
    told = list(dict.fromkeys(_answer(taken.counts) for taken in row if taken.counts))
    return " | ".join(told)


def _answer(counts: Counts) -> str:
    return ", ".join(f"{count:,.6g} {name}" for name, count in counts.items() if name != "sum")


def _means(results: Results) -> Iterator[str]:
    for number, target in enumerate(results.targets):
        mean_s = results.mean_s(target.name)
        yield "" if mean_s is None else f"{1000 * mean_s:,.1f}"
        if number:
            ratio = results.mean_ratio(target.name)
            yield "" if ratio is None else f"{ratio:.2f}"
