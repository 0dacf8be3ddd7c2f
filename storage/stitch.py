"""Traces that lie in several sources, gathered whole.

Operators on structure, aggregates, roots and durations need whole traces, wherever their spans arrived. Sources do
not change, so what two of them share, and what a set of them makes when stitched, is found once and remembered.
Clocks disagree and pieces of a trace may lie far apart in time, so all sources are compared, by their sorted ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.kernels.search import find_ids, shared_ids
from storage.merge import merge
from storage.remembered import Remembered

Rows = npt.NDArray[np.int64]

#: A source with this many times fewer traces is searched for in the other, not merged with it.
_LOPSIDED = 16


@dataclass(frozen=True, slots=True)
class Stitching:
    """The traces that lie in several sources: their rows in each of these, and one source that has them whole.

    `excluded` maps source ids to ascending rows of `traces`; sources that share nothing are left out. `source` is
    None where nothing is shared.
    """

    excluded: Mapping[str, Rows]
    source: Chunk | None


#: A few snapshots, and what their split traces make; the sources of a snapshot, pair by pair.
_stitchings: Remembered[tuple[str, ...], Stitching] = Remembered(4)
_pairs: Remembered[tuple[str, str], tuple[Rows, Rows]] = Remembered(1 << 17)


def stitch(sources: Sequence[ScanSource]) -> Stitching:
    """Find the traces that lie in more than one source, and gather them whole, no span twice.

    What a set of sources makes is remembered; several threads that ask for it at once wait for one of them.
    """
    return _stitchings.get_or_make(tuple(source.meta.id for source in sources), partial(_stitch, sources))


def _stitch(sources: Sequence[ScanSource]) -> Stitching:
    found: dict[str, list[Rows]] = {}
    for first, second in combinations(sources, 2):
        key = (first.meta.id, second.meta.id)
        of_first, of_second = _pairs.get_or_make(key, partial(_shared, first, second))
        if len(of_first):
            found.setdefault(first.meta.id, []).append(of_first)
            found.setdefault(second.meta.id, []).append(of_second)
    excluded = {source_id: np.unique(np.concatenate(rows)) for source_id, rows in found.items()}
    split = [source for source in sources if source.meta.id in excluded]
    return Stitching(excluded, _gather(split, excluded) if split else None)


def _shared(first: ScanSource, second: ScanSource) -> tuple[Rows, Rows]:
    """Return the rows in both sources of the traces that both have."""
    one, other = first.sorted_trace_ids(), second.sorted_trace_ids()
    if len(one) > len(other):
        of_second, of_first = _shared(second, first)
        return of_first, of_second
    if len(one) * _LOPSIDED < len(other):
        places = np.flatnonzero(find_ids(other.reshape(-1), one.reshape(-1)) >= 0)
    else:
        places = shared_ids(one.reshape(-1), other.reshape(-1))
    ids = one[places]
    return first.find(ids), second.find(ids)


def _gather(sources: Sequence[ScanSource], excluded: Mapping[str, Rows]) -> Chunk:
    """Return one source with the excluded traces of all sources.

    Which they are follows from the ids of these sources alone, so these make its id.
    """
    digest = hashlib.blake2b("\0".join(source.meta.id for source in sources).encode(), digest_size=16).hexdigest()
    parts = [source.take_traces(excluded[source.meta.id].tolist()) for source in sources]
    return Chunk.seal(merge(parts), id=f"stitched-{digest}", tenant=sources[0].meta.tenant)
