"""An explanation that shows itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from tempo_dask.engine.explain import Explanation
from tempo_dask.notebook.waterfall import duration

_HEAD = ("source", "kind", "spans", "units scanned", "why not all")


@dataclass(frozen=True, slots=True, repr=False)
class Explained:
    """How a search was answered; `explanation` has all figures."""

    explanation: Explanation

    @property
    def traces(self) -> int:
        """How many traces were found."""
        return self.explanation.traces

    def __repr__(self) -> str:
        """Return stages, times and sources as text."""
        rows = ["  ".join(row) for row in self._sources()]
        return "\n".join([*self._lines(), *rows])

    def _repr_html_(self) -> str:
        told = "".join(f"<div>{escape(line)}</div>" for line in self._lines())
        return f"{told}<table><thead>{_row('th', _HEAD)}</thead>{_rows(self._sources())}</table>"

    def _lines(self) -> list[str]:
        found = self.explanation
        seconds = ", ".join(f"{name} {duration(int(taken * 1e9))}" for name, taken in found.seconds.items())
        read = sum(cost.bytes for cost in found.costs.values())
        return [
            found.query or "{ }",
            f"stages: {' | '.join(found.stages)}",
            f"time: {seconds}; {read / 1e6:.2f} MB of columns read, {found.graph_tasks} tasks; {found.traces} traces",
        ]

    def _sources(self) -> list[tuple[str, ...]]:
        return [
            (source.id[:8], source.kind, f"{source.spans:,}", f"{source.units_scanned} of {source.units}", source.why)
            for source in self.explanation.sources
        ]


def _rows(rows: Iterable[Sequence[str]]) -> str:
    return "".join(_row("td", row) for row in rows)


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
