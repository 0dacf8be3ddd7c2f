"""Sealed documents: what was sealed comes back, and nothing else does."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.sealed_json import DamagedDocument, seal, unseal

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text().filter(lambda name: name not in {"version", "crc32c"}), json_values, max_size=5))
def test_sealed_documents_round_trip(fields: dict[str, object]) -> None:
    try:
        data = seal(fields)
    except TypeError:  # orjson refuses lone surrogates
        return
    assert unseal("document", data) == orjson.loads(orjson.dumps(fields))


@given(st.binary(max_size=50) | json_values.map(lambda value: orjson.dumps(value, default=str)))
def test_what_was_not_sealed_is_damaged(data: bytes) -> None:
    with pytest.raises(DamagedDocument):
        unseal("document", data)
