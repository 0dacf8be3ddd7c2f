"""Codes of rows, against what comparing whole rows says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.columns import STRING
from storage.content import row_codes
from storage.kernels.group import number_pairs

_ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "a", "b"]),
        st.sampled_from([None, 1, 2]),
        st.just("same"),
        st.integers(0, 200),
    ),
    max_size=150,
)


@settings(max_examples=60, deadline=None)
@given(_ROWS)
def test_rows_are_numbered_by_their_first_appearance(rows: list[tuple[str | None, int | None, str, int]]) -> None:
    texts, numbers, same, many = zip(*rows, strict=True) if rows else ((), (), (), ())
    columns = [
        pa.array(texts, pa.string()).dictionary_encode().cast(STRING),
        pa.array(numbers, pa.int64()),
        pa.array(same, pa.string()).dictionary_encode().cast(STRING),
        pa.array(many, pa.int64()),
    ]
    seen: dict[tuple[str | None, int | None, str, int], int] = {}
    expected = [seen.setdefault(row, len(seen)) for row in rows]
    assert row_codes(columns, len(rows)).tolist() == expected


def test_code_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="out of range"):
        number_pairs(np.array([0, 2]), np.array([0, 0]), 2, 1)
