"""Trace ids in sorted order and the rows they stand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import id_words, values
from storage.kernels.search import find_ids


@dataclass(frozen=True, slots=True)
class TraceIndex:
    """All trace ids of a source, (traces, 16) ascending bytewise, and for each its row in `traces`."""

    ids: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, trace_ids: pa.FixedSizeBinaryArray) -> TraceIndex:
        """Build the index of a `trace_id` column of traces."""
        words = id_words(trace_ids)
        rows = np.lexsort((words[:, 1], words[:, 0]))
        ids = values(trace_ids, "V16")[rows].view(np.uint8).reshape(-1, 16)
        return cls(ids, rows.astype(np.uint32))

    def find(self, trace_ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Return for each id (n, 16) its row in traces, or -1."""
        if trace_ids.ndim != 2 or trace_ids.shape[1] != 16:
            msg = f"trace ids must be of shape (n, 16), not {trace_ids.shape}"
            raise ValueError(msg)
        places = find_ids(self.ids.reshape(-1), np.ascontiguousarray(trace_ids).reshape(-1))
        if not len(self.rows):
            return cast("npt.NDArray[np.int64]", places)
        return np.where(places >= 0, self.rows[places].astype(np.int64), places)
