"""Trace by id as partition work: the pieces of one trace, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from storage.columns import ScanSource, SpanTables
from storage.merge import merge
from tempo_dask.physical.work import PartitionWork

Pieces = tuple[SpanTables, ...]


@dataclass(frozen=True, slots=True)
class FindTrace:
    """Takes the spans of one trace out of a source."""

    trace_id: bytes

    def __call__(self, number: int, source: ScanSource) -> Pieces:  # noqa: ARG002  # all chunks are called so
        """Return the piece that the source holds, if any."""
        row = int(source.find(np.frombuffer(self.trace_id, np.uint8).reshape(1, 16))[0])
        return () if row < 0 else (source.take_traces([row]),)


def pieces_work(trace_id: bytes, sources: Sequence[ScanSource]) -> PartitionWork[ScanSource, Pieces]:
    """Return the work that gathers all pieces of a trace."""
    return PartitionWork(tuple(sources), FindTrace(trace_id), join_pieces)


def join_pieces(parts: Iterable[Pieces]) -> Pieces:
    """Return all pieces as one, sorted and without repeated spans."""
    pieces = tuple(chain.from_iterable(parts))
    return pieces if len(pieces) < 2 else (merge(pieces),)  # one piece is whole already
