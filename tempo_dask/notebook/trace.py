"""A trace that shows itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from storage.columns import SpanTables, column_name
from tempo_dask.notebook.waterfall import Bar, waterfall_svg

_SERVICE = column_name("resource", "service.name", "str")
_ERROR = 2


@dataclass(frozen=True, slots=True, repr=False)
class Trace:
    """All spans of a trace, parents before children; draws itself as a waterfall in a notebook.

    `tables` holds every field as columns (`storage.columns`).
    """

    trace_id: str
    tables: SpanTables

    def __len__(self) -> int:
        """Return the number of spans."""
        return int(self.tables.spans.num_rows)

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from the first start to the last end."""
        starts, durations = self._times()
        return int((starts + durations).max() - starts.min()) if len(self) else 0

    @property
    def services(self) -> list[str]:
        """The services of each span, "" where it has none."""
        resources = self.tables.resources
        if _SERVICE not in resources.column_names:
            return [""] * len(self)
        names = resources.column(_SERVICE).cast(pa.string()).to_pylist()
        return [names[number] or "" for number in self.tables.spans.column("resource").to_pylist()]

    def to_pandas(self) -> pd.DataFrame:
        """Return a row per span: ids (hexadecimal), service, name, start (UTC), duration_ns, depth, is_error."""
        spans: Any = self.tables.spans
        starts, durations = self._times()
        frame = {
            "span_id": [span.hex() for span in spans.column("span_id").to_pylist()],
            "parent_span_id": [
                None if span is None else span.hex() for span in spans.column("parent_span_id").to_pylist()
            ],
            "service": self.services,
            "name": spans.column("name").cast(pa.string()).to_pylist(),
            "start": pd.to_datetime(starts, unit="ns", utc=True),
            "duration_ns": durations,
            "depth": self._depths(),
            "is_error": spans.column("status").to_numpy() == _ERROR,
        }
        return pd.DataFrame(frame)

    def svg(self, *, rows: int = 200) -> str:
        """Return the waterfall of the first `rows` spans as SVG."""
        starts, durations = self._times()
        names = self.tables.spans.column("name").cast(pa.string()).to_pylist()
        errors = self.tables.spans.column("status").to_numpy() == _ERROR
        first = starts.min() if len(self) else 0
        columns = (self.services, names, starts - first, durations, self._depths(), errors)
        bars = [
            Bar(service, name, int(at), int(length), depth, bool(is_error))
            for service, name, at, length, depth, is_error in zip(*(column[:rows] for column in columns), strict=True)
        ]
        return waterfall_svg(f"Trace {self.trace_id}", bars, self.duration_ns, len(self))

    def __repr__(self) -> str:
        """Return id, size and duration."""
        services = len(set(self.services))
        return f"Trace({self.trace_id}, {len(self)} spans, {services} services, {self.duration_ns / 1e6:.3f} ms)"

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto">{self.svg()}</div>'

    def _times(self) -> tuple[Any, Any]:
        spans = self.tables.spans
        return spans.column("start").cast(pa.int64()).to_numpy(), spans.column("duration_ns").to_numpy()

    def _depths(self) -> list[int]:
        """Return how many ancestors of each span are in the trace; rows stand in nested order."""
        spans = self.tables.spans
        lefts, parents = spans.column("nested_left").to_pylist(), spans.column("nested_parent").to_pylist()
        depth_of: dict[int, int] = {}
        for left, parent in zip(lefts, parents, strict=True):
            depth_of[left] = depth_of.get(parent, -1) + 1
        return [depth_of[left] for left in lefts]
