"""Histograms that take arrays: many values are counted by one call, without a loop over them."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Bounds = tuple[float, ...]


class Distribution(Collector):
    """A histogram without labels; `bounds` ascend, and each is the largest value of its bucket."""

    def __init__(self, name: str, documentation: str, bounds: Bounds) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)  # the last: values beyond all bounds
        self._sum = 0.0
        self._changing = threading.Lock()

    def observe(self, values: npt.NDArray[np.floating | np.integer]) -> None:
        """Count values of any number."""
        buckets = np.searchsorted(self._bounds, values, side="left")
        counts = np.bincount(buckets, minlength=len(self._counts))
        total = float(values.sum(dtype=np.float64))
        with self._changing:
            self._counts += counts
            self._sum += total

    def collect(self) -> Iterable[Metric]:
        """Return the histogram as it stands."""
        with self._changing:
            cumulated, total = self._counts.cumsum().tolist(), self._sum
        names = [*map(repr, self._bounds.tolist()), "+Inf"]
        yield HistogramMetricFamily(self._name, self._documentation, list(zip(names, cumulated, strict=True)), total)
