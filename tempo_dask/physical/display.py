"""The second pass of a search: what is shown of the spans and traces that are left, read for them alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import numpy.typing as npt

from storage.columns import column_name
from tempo_dask.physical.reader import Rows
from tempo_dask.physical.shown_attributes import shown_attribute
from tempo_dask.physical.shown_values import Shown
from tempo_dask.physical.spansets import UnitScan
from tempo_dask.physical.units import ScanUnit
from tempo_dask.plan.nodes import ShownAttribute
from traceql.ast import AttributeReference, Intrinsic
from traceql.attributes import IntrinsicKind

_ERROR = 2
_SERVICE_NAME = column_name("resource", "service.name", "str")

ShownPairs = tuple[tuple[AttributeReference, Shown], ...]

#: Shown in fields of their own whether asked for or not, or not at all.
_OWN_FIELDS = frozenset(
    {
        IntrinsicKind.DURATION,
        IntrinsicKind.TRACE_DURATION,
        IntrinsicKind.TRACE_ROOT_NAME,
        IntrinsicKind.TRACE_ROOT_SERVICE,
        IntrinsicKind.TRACE_ID,
        IntrinsicKind.SPAN_ID,
    }
)


@dataclass(frozen=True, slots=True)
class ShownSpan:
    """A span as a result shows it."""

    span_id: bytes
    start_ns: int
    duration_ns: int
    attributes: ShownPairs


@dataclass(frozen=True, slots=True)
class ShownTrace:
    """A trace as a result shows it; `services` gives spans and errors per service."""

    duration_ns: int
    root_service: str | None
    root_name: str | None
    services: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class DisplayTask:
    """The traces and spans of one unit to show (rows of the unit)."""

    number: int
    unit: ScanUnit
    traces: tuple[int, ...]
    spans: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Display:
    """What is shown, by (place of the unit, row)."""

    traces: Mapping[tuple[int, int], ShownTrace]
    spans: Mapping[tuple[int, int], ShownSpan]


def display(task: DisplayTask, shown: Sequence[ShownAttribute]) -> Display:
    """Return what is shown of the spans and traces of a unit."""
    scan = UnitScan.of(task.unit)
    traces = zip(task.traces, _traces(task.traces, scan), strict=True)
    spans = zip(task.spans, _spans(np.array(task.spans, np.int64), shown, scan), strict=True)
    return Display(
        {(task.number, row): trace for row, trace in traces}, {(task.number, row): span for row, span in spans}
    )


def _spans(rows: Rows, shown: Sequence[ShownAttribute], scan: UnitScan) -> list[ShownSpan]:
    ids = scan.reader.data("spans", "span_id")[rows]
    starts = scan.reader.data("spans", "start")[rows].tolist()
    durations = scan.reader.data("spans", "duration_ns")[rows].tolist()
    found = zip(ids, starts, durations, shown_pairs(rows, shown, scan), strict=True)
    return [ShownSpan(span_id.tobytes(), start, duration, pairs) for span_id, start, duration, pairs in found]


def shown_pairs(rows: Rows, shown: Sequence[ShownAttribute], scan: UnitScan) -> list[ShownPairs]:
    """Return the attributes that these spans show, with their values; the name is one of them."""
    pairs: list[list[tuple[AttributeReference, Shown]]] = [[] for _ in rows]
    for attribute in shown:
        if not _has_own_field(attribute):
            for place, value in shown_attribute(attribute, rows, scan):
                pairs[place].append((attribute.attribute, value))
    return [tuple(of_span) for of_span in pairs]


def _has_own_field(shown: ShownAttribute) -> bool:
    return isinstance(shown.attribute, Intrinsic) and shown.attribute.kind in _OWN_FIELDS


def _traces(rows: Sequence[int], scan: UnitScan) -> list[ShownTrace]:
    some = np.array(rows, np.int64)
    durations = (scan.reader.data("traces", "end")[some] - scan.reader.data("traces", "start")[some]).tolist()
    services, names = (_texts(some, name, scan) for name in ("root_service", "root_name"))
    found = zip(durations, services, names, _services(some, scan), strict=True)
    return [ShownTrace(*of_trace) for of_trace in found]


def _texts(rows: Rows, name: str, scan: UnitScan) -> list[str | None]:
    column = scan.reader.own("traces", name)
    valid = np.ones(len(rows), np.uint8) if column.valid is None else column.valid[rows]
    codes: npt.NDArray[np.generic] = column.data[rows]
    texts = column.dictionary
    return [
        str(texts[code]) if has and texts is not None else None for code, has in zip(codes.tolist(), valid, strict=True)
    ]


def _services(traces: Rows, scan: UnitScan) -> Iterator[Mapping[str, tuple[int, int]]]:
    """Yield how many spans and errors each service has in each trace; spans without service count under ""."""
    names, offsets = _service_names(scan), scan.reader.offsets
    numbers, statuses = scan.reader.data("spans", "resource"), scan.reader.data("spans", "status")
    for first, stop in zip(offsets[traces].tolist(), offsets[traces + 1].tolist(), strict=True):
        found = [names[number] for number in numbers[first:stop].tolist()]
        spans = Counter(found)
        failed = Counter(compress(found, (statuses[first:stop] == _ERROR).tolist()))
        yield {name: (count, failed[name]) for name, count in spans.items()}


def _service_names(scan: UnitScan) -> Sequence[str]:
    column = scan.reader.column("resources", _SERVICE_NAME)
    if column is None or column.dictionary is None:
        return [""] * scan.reader.row_count("resources")
    valid = np.ones(len(column.data), np.uint8) if column.valid is None else column.valid
    texts = column.dictionary.to_pylist()
    return [texts[code] if has else "" for code, has in zip(column.data.tolist(), valid.tolist(), strict=True)]
