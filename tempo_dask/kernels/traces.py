"""Between spans and their traces: rows of spans stand trace by trace, `offsets` (traces + 1) cuts them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, types

from tempo_dask.kernels.predicates import Mask
from tempo_dask.kernels.signatures import I64, OUT_I64, OUT_U8, U8


@njit(types.void(U8, I64, OUT_U8), cache=True, nogil=True)
def _spread(mask, offsets, out):
    for trace in range(mask.size):
        value = mask[trace]
        for span in range(max(offsets[trace], 0), min(offsets[trace + 1], out.size)):
            out[span] = value


@njit(types.void(U8, I64, OUT_I64), cache=True, nogil=True)
def _count(mask, offsets, out):
    for trace in range(out.size):
        matched = np.int64(0)
        for span in range(max(offsets[trace], 0), min(offsets[trace + 1], mask.size)):
            matched += mask[span]
        out[trace] = matched


def spread(mask: Mask, offsets: npt.NDArray[np.int64]) -> Mask:
    """Return for each span what `mask` says of its trace."""
    out = np.zeros(int(offsets[-1]), np.uint8)
    _spread(mask, offsets, out)
    return out


def count_matches(mask: Mask, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each trace how many of its spans match."""
    out = np.zeros(len(offsets) - 1, np.int64)
    _count(mask, offsets, out)
    return out
