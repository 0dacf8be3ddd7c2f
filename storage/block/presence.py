"""Which columns a run of spans needs: a bit for each stripe of spans and each column that may be all null in it.

A trace has a few dozen of the hundred and more attributes of its block; the others need not be read for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.arrays import single_chunk, validity
from storage.columns import REST_FIELD, is_attribute_column
from storage.kernels.gather import find_set_stripes

#: Spans in a stripe as blocks are written; FORMAT.md says what longer and shorter ones cost.
STRIPE_ROWS = 32

Presence = npt.NDArray[np.uint8]


def optional_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that have a bit, in order: attributes and `rest`."""
    return [name for name in schema.names if is_attribute_column(name) or name == REST_FIELD.name]


def find_presence(spans: pa.Table, first_row: int = 0) -> Presence:
    """Return (stripes, bytes) bits, those of the first columns lowest in the first byte: has any row a value?

    `first_row` is the place in the block of the first of these rows, which may stand within a stripe.
    """
    lead = first_row % STRIPE_ROWS
    stripes = -(-(lead + spans.num_rows) // STRIPE_ROWS) if spans.num_rows else 0
    names = optional_columns(spans.schema)
    present = np.zeros((stripes, len(names)), np.bool_)
    for at, name in enumerate(names):
        present[:, at] = _has_values(single_chunk(spans.column(name)), lead, stripes)
    return np.packbits(present, axis=1, bitorder="little")


def join_presence(parts: Sequence[tuple[int, Presence]]) -> Presence:
    """Return the bits of all rows from those of parts laid end to end, each with the place of its first row."""
    last_row, last = parts[-1]
    joined = np.zeros((last_row // STRIPE_ROWS + len(last), last.shape[1]), np.uint8)
    for first_row, presence in parts:
        first = first_row // STRIPE_ROWS
        joined[first : first + len(presence)] |= presence
    return joined


def _has_values(array: pa.Array, lead: int, stripes: int) -> npt.NDArray[np.bool_]:
    if array.null_count == len(array):  # as are many columns of a part, which others of its block fill
        return np.zeros(stripes, np.bool_)
    bits = validity(array)
    if bits is None:
        return np.ones(stripes, np.bool_)
    return cast("npt.NDArray[np.bool_]", find_set_stripes(bits, array.offset, len(array), lead, STRIPE_ROWS))


def columns_of(
    presence: Presence, schema: pa.Schema, rows: npt.NDArray[np.int64], stripe_rows: int = STRIPE_ROWS
) -> set[str]:
    """Return the columns of spans that the given rows (of the block) may have a value in."""
    optional = optional_columns(schema)
    bits = np.bitwise_or.reduce(presence[np.unique(rows // stripe_rows)], axis=0)
    present = np.unpackbits(bits, count=len(optional), bitorder="little")
    return set(schema.names) - {name for name, is_present in zip(optional, present, strict=True) if not is_present}
