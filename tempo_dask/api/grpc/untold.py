"""Of results that grow, what a client has not been told yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tempo_dask.engine.results import RangeResult, Series


@dataclass(slots=True)
class Untold:
    """Remembers for each series the first interval whose sample has been told; they come newest first."""

    _told: dict[str, int] = field(default_factory=dict)  # by labels as text, in which 1, 1.0 and true differ

    def of(self, result: RangeResult) -> RangeResult:
        """Return a result with the samples that are new; the same samples are not asked for again."""
        return replace(result, series=tuple(found for series in result.series if (found := self._of(series))))

    def _of(self, series: Series) -> Series | None:
        labels = repr(series.labels)
        told = self._told.get(labels, len(series.values))
        known = np.flatnonzero(~np.isnan(series.values[:told]))
        if len(known):
            self._told[labels] = int(known[0])
        elif not series.exemplars:
            return None
        values = np.full(len(series.values), np.nan)
        values[:told] = series.values[:told]
        return replace(series, values=values)
