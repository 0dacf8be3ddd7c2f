"""Stripes with a value, found in bitmaps, against what counting row by row says."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.kernels.gather import find_set_stripes


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([False, False, False, True]), max_size=300).map(lambda bits: np.array(bits, np.bool_)),
    st.integers(0, 20),
    st.integers(0, 40),
    st.sampled_from([1, 8, 32, 128]),
)
def test_stripe_is_set_where_any_of_its_rows_is(
    valid: np.ndarray[tuple[int], np.dtype[np.bool_]], offset: int, lead: int, stripe_rows: int
) -> None:
    before, after = np.ones(offset, np.bool_), np.ones(17, np.bool_)  # of other rows, which must not be looked at
    bits = np.packbits(np.concatenate([before, valid, after]), bitorder="little")
    found = find_set_stripes(bits, offset, len(valid), lead, stripe_rows)
    stripes = -(-(lead + len(valid)) // stripe_rows)
    expected = np.isin(np.arange(stripes), (lead + np.flatnonzero(valid)) // stripe_rows)
    assert found.tolist() == expected.tolist()
