"""Traces that lie in several sources, gathered whole.

Operators on structure, aggregates, roots and durations need whole traces, wherever their spans arrived. Sources do
not change, so what two of them share, and what a set of them makes when stitched, is found once and remembered.
Clocks disagree and pieces of a trace may lie far apart in time, so all sources are compared, by their sorted ids.

Live chunks come and go every second, blocks rarely do. So blocks are stitched first, and what they make is a source
like any other to which live chunks are stitched: a new chunk moves only the traces that it has spans of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, combinations, product

import numpy as np
import numpy.typing as npt

from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.kernels.search import find_ids, shared_ids
from storage.merge import merge
from storage.remembered import Remembered
from storage.shared_traces import shared_rows

Rows = npt.NDArray[np.int64]

#: A source with this many times fewer traces is searched for in the other, not merged with it.
_LOPSIDED = 16
#: More sources than these are compared at once: pairs are remembered, but grow with the square of the sources.
_MANY = 128


@dataclass(frozen=True, slots=True)
class Stitching:
    """The traces that lie in several sources: their rows in each of these, and the sources that have them whole.

    `excluded` maps source ids to ascending rows of `traces`; sources that share nothing are left out. It may have rows
    of `sources` too: traces that lie in a later one of these with still more spans.
    """

    excluded: Mapping[str, Rows]
    sources: tuple[Chunk, ...]


_NO_ROWS: Rows = np.zeros(0, np.int64)

#: A few snapshots, and what their split traces make; the sources of a snapshot, pair by pair.
_stitchings: Remembered[tuple[str, ...], Stitching] = Remembered(8)
_pairs: Remembered[tuple[str, ...], tuple[Rows, Rows]] = Remembered(1 << 17)


def stitch(sources: Sequence[ScanSource]) -> Stitching:
    """Find the traces that lie in more than one source, and gather them whole, no span twice.

    What a set of sources makes is remembered; several threads that ask for it at once wait for one of them.
    """
    sealed = [source for source in sources if not isinstance(source, Chunk)]
    live = [source for source in sources if isinstance(source, Chunk)]
    if not sealed or not live:
        return _remembered(sources)
    base = _remembered(sealed)
    return _stitchings.get_or_make(_ids(sources), partial(_extend, base, [*sealed, *base.sources], live))


def _ids(sources: Sequence[ScanSource]) -> tuple[str, ...]:
    """Return a key for sources of one tenant."""
    return (*(source.meta.tenant for source in sources[:1]), *(source.meta.id for source in sources))


def _remembered(sources: Sequence[ScanSource]) -> Stitching:
    return _stitchings.get_or_make(_ids(sources), partial(_extend, Stitching({}, ()), [], sources))


def _extend(base: Stitching, known: Sequence[ScanSource], new: Sequence[ScanSource]) -> Stitching:
    """Return a stitching of `known` sources, extended by `new` ones."""
    at_once = not known and len(new) > _MANY
    rows = shared_rows(new) if at_once else _rows_by_pairs(base, known, new)
    if not rows:
        return base
    gathered = _gather([source for source in (*known, *new) if source.meta.id in rows], rows)
    excluded = {
        source_id: np.union1d(base.excluded.get(source_id, _NO_ROWS), rows.get(source_id, _NO_ROWS))
        for source_id in {**base.excluded, **rows}
    }
    return Stitching(excluded, (*base.sources, gathered))


def _rows_by_pairs(base: Stitching, known: Sequence[ScanSource], new: Sequence[ScanSource]) -> Mapping[str, Rows]:
    """Return the rows of traces that lie in several sources, one of them new, but for what `base` has stitched."""
    found: dict[str, list[Rows]] = {}
    for first, second in chain(product(known, new), combinations(new, 2)):
        of_first, of_second = _pairs.get_or_make(_ids([first, second]), partial(_shared, first, second))
        stitched_before = base.excluded.get(first.meta.id)
        if stitched_before is not None and len(of_first):
            whole = np.isin(of_first, stitched_before, invert=True)
            of_first, of_second = of_first[whole], of_second[whole]
        if len(of_first):
            found.setdefault(first.meta.id, []).append(of_first)
            found.setdefault(second.meta.id, []).append(of_second)
    return {source_id: np.unique(np.concatenate(parts)) for source_id, parts in found.items()}


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

    Its id is made of theirs and of the rows, which follow from other sources as well.
    """
    key = hashlib.blake2b(digest_size=16)
    for source in sources:
        key.update(source.meta.id.encode() + b"\0" + excluded[source.meta.id].tobytes())
    digest = key.hexdigest()
    parts = [source.take_traces(excluded[source.meta.id].tolist()) for source in sources]
    return Chunk.seal(merge(parts), id=f"stitched-{digest}", tenant=sources[0].meta.tenant)
