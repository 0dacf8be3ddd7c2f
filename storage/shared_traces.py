"""Which traces lie in several of many sources: found for all of them at once, for pairs are too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from storage.arrays import frozen
from storage.columns import ScanSource
from storage.kernels.search import find_ids
from storage.remembered import Remembered

Rows = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_FACTORS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))

#: Of the trace ids of each source, by tenant and id.
_hashes: Remembered[tuple[str, str], Hashes] = Remembered(256 << 20, lambda hashes: 64 + hashes.nbytes)


def shared_rows(sources: Sequence[ScanSource]) -> Mapping[str, Rows]:
    """Return the rows, ascending, of traces that lie in several of the sources, by the id of each that has any.

    Takes time and memory by all traces together: 8 bytes each. Raises what reading ids raises.
    """
    hashes = [_hashes_of(source) for source in sources]
    in_order = np.sort(np.concatenate(hashes))
    twice = np.unique(in_order[1:][in_order[1:] == in_order[:-1]])
    if not len(twice):
        return {}
    held = [(source, _ids_of(source, own, twice)) for source, own in zip(sources, hashes, strict=True)]
    ids, counts = np.unique(np.concatenate([ids for _, ids in held]), axis=0, return_counts=True)
    shared = ids[counts > 1].reshape(-1)
    found = {source.meta.id: source.find(ids[find_ids(shared, ids.reshape(-1)) >= 0]) for source, ids in held}
    return {source_id: np.sort(rows) for source_id, rows in found.items() if len(rows)}


def _hashes_of(source: ScanSource) -> Hashes:
    return _hashes.get_or_make((source.meta.tenant, source.meta.id), lambda: _hash(source.sorted_trace_ids()))


def _hash(ids: npt.NDArray[np.uint8]) -> Hashes:
    words = np.ascontiguousarray(ids).reshape(-1).view(np.uint64).reshape(-1, 2)
    return frozen(words[:, 0] * _FACTORS[0] + words[:, 1] * _FACTORS[1])


def _ids_of(source: ScanSource, hashes: Hashes, wanted: Hashes) -> npt.NDArray[np.uint8]:
    """Return the ids of a source whose hashes are among the wanted ones, ascending both."""
    places = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
    rows = np.flatnonzero(wanted[places] == hashes)
    return np.ascontiguousarray(source.sorted_trace_ids()[rows]) if len(rows) else np.zeros((0, 16), np.uint8)
