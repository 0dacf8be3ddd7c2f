"""Dictionaries of string columns, written from the table of interned strings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit, types

from tempo_dask.kernels.otlp_attributes import KEY_DICTIONARIES
from tempo_dask.kernels.otlp_choose import Columns
from tempo_dask.kernels.otlp_decode import RECORDS, Walked
from tempo_dask.kernels.otlp_values import STR
from tempo_dask.kernels.otlp_wire import LOW_32, copy
from tempo_dask.kernels.signatures import I64, OUT_I32, OUT_I64, OUT_U8


@njit(types.void(RECORDS, I64, OUT_I64, OUT_I32, OUT_U8), cache=True, nogil=True, error_model="numpy")
def _copy_strings(strings: Any, first: Any, at: Any, offsets: Any, data: Any) -> None:
    """Write the strings of dictionaries one dictionary after another.

    The offsets of dictionary d begin at `first[d]` (-1: it is left out), its bytes at `at[d]` of `data`, to which its
    offsets are relative; `at` is moved on to where it ends.
    """
    to = np.int64(data.ctypes.data)
    for i in range(strings.shape[0]):
        dictionary = strings[i, 2] >> 32
        if dictionary < 0 or first[dictionary] < 0:
            continue
        size = strings[i, 1]
        copy(to + at[dictionary], strings[i, 0], size)
        at[dictionary] += size
        place = first[dictionary] + (strings[i, 2] & LOW_32)
        offsets[place + 1] = offsets[place] + size


@dataclass(frozen=True, slots=True)
class Dictionaries:
    """Dictionaries side by side: of each the number of strings, where offsets and bytes begin, how many bytes."""

    counts: list[int]
    first: list[int]
    at: list[int]
    lengths: list[int]
    offsets: pa.Buffer
    data: pa.Buffer

    def array(self, dictionary: int) -> pa.StringArray:
        """Return the strings of a dictionary."""
        count = self.counts[dictionary]
        offsets = self.offsets.slice(4 * self.first[dictionary], 4 * (count + 1))
        return pa.StringArray.from_buffers(
            count, offsets, self.data.slice(self.at[dictionary], self.lengths[dictionary])
        )


def dictionaries(walked: Walked, columns: Columns) -> Dictionaries:
    """Write the dictionaries of own columns and of the columns chosen."""
    wanted = np.zeros(len(walked.dictionaries), np.bool_)
    wanted[:KEY_DICTIONARIES] = True
    wanted[KEY_DICTIONARIES + columns.keys[columns.types == STR]] = True
    counts = np.where(wanted, walked.dictionaries[:, 1], 0)
    lengths = np.where(wanted, walked.dictionaries[:, 2], 0)
    first = np.where(wanted, np.cumsum(counts + wanted) - counts - 1, -1)
    at = np.cumsum(lengths) - lengths
    offsets = np.zeros(int((counts + wanted).sum()), np.int32)
    data = np.empty(int(lengths.sum()), np.uint8)
    _copy_strings(walked.strings, first, at.copy(), offsets, data)
    return Dictionaries(
        counts.tolist(), first.tolist(), at.tolist(), lengths.tolist(), pa.py_buffer(offsets), pa.py_buffer(data)
    )
