"""The second pass of metrics: what is shown of the spans that may become exemplars, and which of them do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from typing import cast

import numpy as np

from storage.chunk import Chunk
from tempo_dask.physical.cube_cache import PROCESS_CUBES
from tempo_dask.physical.display import ShownPairs, shown_pairs
from tempo_dask.physical.exemplars import Candidate, Candidates, Place
from tempo_dask.physical.reader import Rows
from tempo_dask.physical.shown_values import Shown
from tempo_dask.physical.spansets import UnitScan
from tempo_dask.physical.unit_runs import UnitRun
from tempo_dask.physical.units import ScanUnit
from tempo_dask.physical.work import PartitionWork
from tempo_dask.plan.nodes import Plan, ShownAttribute, TimeSeries
from traceql import shown
from traceql.ast import AttributeReference

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class ShownExemplar:
    """What is shown of a candidate, and what decides between those that start together."""

    trace_start_ns: int
    trace_id: bytes
    span_id: bytes
    value: float
    labels: tuple[tuple[str, Shown], ...]


ShownExemplars = Mapping[Place, ShownExemplar]


def choose(found: Candidates, shown: ShownExemplars) -> Candidates:
    """Return one span for each slot and for each trace, in order of time."""

    def order(candidate: Candidate) -> tuple[int, bytes, bytes]:
        exemplar = shown[candidate.place]
        return exemplar.trace_start_ns, exemplar.trace_id, exemplar.span_id

    by_slot = groupby(sorted(found, key=lambda c: c.slot), key=lambda c: c.slot)
    of_slots = [min(members, key=order) for _, members in by_slot]
    of_traces: dict[bytes, Candidate] = {}
    for candidate in sorted(of_slots, key=lambda c: c.hash):
        of_traces.setdefault(shown[candidate.place].trace_id, candidate)
    return tuple(sorted(of_traces.values(), key=lambda c: c.start_ns))


@dataclass(frozen=True, slots=True)
class ExemplarTask:
    """The candidates of one run: rows of its source, ascending."""

    number: int
    run: UnitRun
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExemplarChunk:
    """Reads what is shown of candidates; that of sealed blocks is kept where their cubes are."""

    shown: tuple[ShownAttribute, ...]
    operand: AttributeReference | None  # whose number is a span's value; its duration in seconds where it has none
    text: str  # of both, which is quicker to look up

    def __call__(self, number: int, task: ExemplarTask) -> ShownExemplars:  # noqa: ARG002  # all chunks are called so
        """Return what is shown of the candidates of one run, by their places."""
        kept = None if isinstance(task.run.source, Chunk) or not PROCESS_CUBES.is_on else PROCESS_CUBES.shown
        if kept is None:
            return {(task.number, row): exemplar for row, exemplar in self._read(task.run, task.rows)}
        keys = {row: (task.run.source.meta.id, self.text, row) for row in task.rows}
        known = {row: cast("ShownExemplar | None", kept.get(key)) for row, key in keys.items()}
        for row, exemplar in self._read(task.run, [row for row in task.rows if known[row] is None]):
            known[row] = exemplar
            kept.put(keys[row], exemplar)
        return {(task.number, row): exemplar for row, exemplar in known.items() if exemplar is not None}

    def _read(self, run: UnitRun, rows: Iterable[int]) -> Iterator[tuple[int, ShownExemplar]]:
        wanted = np.array(list(rows), np.int64)
        for unit in run.units:
            of_unit = wanted[slice(*np.searchsorted(wanted, (unit.meta.first_span, unit.meta.stop_span)))]
            if len(of_unit):
                yield from zip(of_unit.tolist(), self._of_unit(unit, of_unit - unit.meta.first_span), strict=True)

    def _of_unit(self, unit: ScanUnit, rows: Rows) -> Iterator[ShownExemplar]:
        scan = UnitScan.of(unit)
        traces = scan.reader.rows_at("traces", rows)
        starts = scan.reader.data("traces", "start")[traces].tolist()
        ids = scan.reader.data("traces", "trace_id")[traces]
        span_ids = scan.reader.data("spans", "span_id")[rows]
        durations = scan.reader.data("spans", "duration_ns")[rows].tolist()
        found = zip(starts, ids, span_ids, durations, shown_pairs(rows, self.shown, scan), strict=True)
        names = {id(one.attribute): shown(one.attribute) for one in self.shown}  # to hash one takes as long
        for start_ns, trace_id, span_id, duration_ns, pairs in found:
            texts = tuple((names[id(attribute)], value) for attribute, value in pairs)
            labels = (("trace:id", trace_id.tobytes().hex().lstrip("0")), *texts)
            value = _value(pairs, self.operand, duration_ns)
            yield ShownExemplar(start_ns, trace_id.tobytes(), span_id.tobytes(), value, labels)


def _value(pairs: ShownPairs, operand: AttributeReference | None, duration_ns: int) -> float:
    for attribute, value in pairs if operand is not None else ():
        if attribute == operand and isinstance(value, int | float):
            return float(value)
    return duration_ns / _NS_PER_S


def exemplar_work(
    plan: Plan, found: Candidates, runs: tuple[UnitRun, ...]
) -> PartitionWork[ExemplarTask, ShownExemplars]:
    """Return the second pass of metrics: what is shown of the candidates, found in these runs."""
    by_run: dict[int, list[int]] = defaultdict(list)
    for candidate in found:
        by_run[candidate.place[0]].append(candidate.place[1])
    tasks = tuple(ExemplarTask(number, runs[number], tuple(sorted(rows))) for number, rows in by_run.items())
    operand = cast("TimeSeries", plan.output).aggregate.operand
    chunk = ExemplarChunk(plan.shown, operand, repr((plan.shown, operand)))
    return PartitionWork(tasks, chunk, _join_shown)


def _join_shown(parts: Iterable[ShownExemplars]) -> ShownExemplars:
    return dict(chain.from_iterable(part.items() for part in parts))
