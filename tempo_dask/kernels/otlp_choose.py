"""Choosing which attributes get a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from storage.columns import MAX_ATTRIBUTE_COLUMNS
from tempo_dask.kernels.otlp_attributes import REPEATED
from tempo_dask.kernels.otlp_decode import Walked
from tempo_dask.kernels.otlp_state import TABLES
from tempo_dask.kernels.otlp_values import COLUMN_TYPES, OTHER
from tempo_dask.kernels.otlp_wire import inlined

#: At most this many values and nulls in the attribute columns of one table: many spans with many keys each of its own
#: would take memory out of all proportion to what was sent.
MAX_CELLS: Final = 1 << 25
#: Columns begin at multiples of this many values, or bytes of bits.
_ALIGNMENT: Final = 64

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """The attribute columns chosen, ordered by table; arrays have a place per column."""

    keys: Numbers
    types: Numbers
    tables: Numbers
    rows: Numbers
    values: Numbers  # rows that have a value
    column_of: npt.NDArray[np.int32]  # (keys * types): the column, -1 if none


def choose_columns(walked: Walked) -> Columns:
    """Choose a column for each key and type; in a table with too many, for the most frequent."""
    counts = walked.type_counts
    keys, types = np.nonzero(counts)
    tables = walked.key_tables[keys]
    values = counts[keys, types]
    kept = np.concatenate([_most_frequent(values, tables == table, walked.rows[table]) for table in range(TABLES)])
    keys, types, tables = keys[kept], types[kept], tables[kept]
    column_of = np.full(counts.size, -1, np.int32)
    column_of[keys * COLUMN_TYPES + types] = np.arange(kept.size)
    return Columns(keys, types, tables, np.array(walked.rows, np.int64)[tables], values[kept], column_of)


def _most_frequent(values: Numbers, are_candidates: npt.NDArray[np.bool_], rows: int) -> Numbers:
    """Return the candidates for a column of a table with so many rows, in their order."""
    candidates = np.flatnonzero(are_candidates)
    most = min(MAX_ATTRIBUTE_COLUMNS, max(1, MAX_CELLS // max(1, rows)))
    if candidates.size > most:
        candidates = np.sort(candidates[np.argsort(-values[candidates], kind="stable")[:most]])
    return candidates


def places(sizes: Numbers, wanted: npt.NDArray[np.bool_]) -> tuple[Numbers, int]:
    """Lay columns of so many values end to end, those wanted; return where each begins, and how much they take."""
    padded = np.where(wanted, -(-sizes // _ALIGNMENT) * _ALIGNMENT, 0)
    ends = np.cumsum(padded)
    return ends - padded, int(ends[-1]) if ends.size else 0


@inlined
def staged_type(kind: int) -> int:
    """Return the type of a staged attribute."""
    return kind & (REPEATED - 1)


@inlined
def staged_column(column_of: Any, owner: int, kind: int) -> int:
    """Return the column that a staged attribute goes to, -1 where to `rest`."""
    if kind & REPEATED or staged_type(kind) == OTHER:
        return -1
    return int(column_of[(owner >> 32) * COLUMN_TYPES + staged_type(kind)])
