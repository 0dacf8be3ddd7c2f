"""Which spans of a unit count for a question about tags, and the rows of other tables that belong to them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from storage.columns import SourceMeta, TableName, UnitMeta
from tempo_dask.kernels.predicates import Mask, any_of_owner
from tempo_dask.kernels.traces import count_matches
from tempo_dask.physical.all_stages import apply_stages
from tempo_dask.physical.reader import UnitReader
from tempo_dask.physical.spansets import UnitScan, all_spans
from tempo_dask.physical.units import ScanUnit
from tempo_dask.plan.nodes import Plan


def counts_whole(part: SourceMeta | UnitMeta, plan: Plan) -> bool:
    """Return whether all spans of a source or unit count."""
    return not plan.stages and part.start_ns >= plan.window.start_ns and part.end_ns <= plan.window.end_ns


#: Their rows belong to spans of any unit of a source.
_SHARED: tuple[TableName, ...] = ("resources", "scopes")


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """The spans of a unit that count, None for all, seen as rows of any table.

    `is_whole_source`: those of all other units of its source count too.
    """

    spans: Mask | None
    reader: UnitReader
    is_whole_source: bool
    _masks: dict[TableName, Mask] = field(default_factory=dict)

    @classmethod
    def of(cls, unit: ScanUnit, scan: UnitScan, plan: Plan, *, with_split: bool = True) -> ChosenRows:
        """Return the spans that pass the stages of a plan, of traces in its window.

        Spans of stitched traces may be among them, unless `with_split` says that a part of a trace does not do.
        """
        if counts_whole(unit.meta, plan) and (with_split or not len(unit.excluded)):
            return cls(None, scan.reader, counts_whole(unit.source.meta, plan))
        mask = apply_stages(plan.stages, all_spans(unit, scan, plan.window), scan).mask
        return cls(mask, scan.reader, is_whole_source=False)

    @property
    def is_empty(self) -> bool:
        """Whether no span counts."""
        return self.spans is not None and not self.spans.any()

    def rows(self, table: TableName) -> Mask | None:
        """Return the rows of a table that belong to some span that counts, None for all."""
        if self.spans is None and (self.is_whole_source or table not in _SHARED):
            return None
        if table not in self._masks:
            spans = np.ones(self.reader.row_count("spans"), np.uint8) if self.spans is None else self.spans
            self._masks[table] = _used(spans, table, self.reader)
        return self._masks[table]


def _used(spans: Mask, table: TableName, reader: UnitReader) -> Mask:
    match table:
        case "traces":
            return (count_matches(spans, reader.offsets) > 0).view(np.uint8)
        case "resources":
            return any_of_owner(spans, reader.data("spans", "resource"), reader.row_count(table))
        case "scopes":
            return any_of_owner(spans, reader.data("spans", "scope"), reader.row_count(table))
        case _:
            return reader.lift(spans, "spans", table)
