"""Of results that grow, what a client has not been told yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tempo_dask.engine.results import Labels, RangeResult, Series


@dataclass(slots=True)
class Untold:
    """Remembers for each series how far back its samples have been told; they come newest first."""

    _told: dict[Labels, int] = field(default_factory=dict)  # the first interval whose sample is known

    def of(self, result: RangeResult) -> RangeResult:
        """Return a result with the samples that are new; the same samples are not asked for again."""
        return replace(result, series=tuple(found for series in result.series if (found := self._of(series))))

    def _of(self, series: Series) -> Series | None:
        told = self._told.get(series.labels, len(series.values))
        known = np.flatnonzero(~np.isnan(series.values[:told]))
        if len(known):
            self._told[series.labels] = int(known[0])
        elif not series.exemplars:
            return None
        values = np.full(len(series.values), np.nan)
        values[:told] = series.values[:told]
        return replace(series, values=values)
