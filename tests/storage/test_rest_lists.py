"""Lists in wire form are decoded as a whole decoder does."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from storage.rest_lists import lists_in

_integers = st.integers(-(2**63), 2**63 - 1).map(lambda n: AnyValue(int_value=n))
_floats = st.floats(allow_nan=False).map(lambda x: AnyValue(double_value=x))
_texts = st.text(max_size=200).map(lambda text: AnyValue(string_value=text))
_booleans = st.booleans().map(lambda truth: AnyValue(bool_value=truth))
_others = st.sampled_from(
    [AnyValue(), AnyValue(bytes_value=b"\n\x01"), AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k")]))]
)
_nested = _integers.map(lambda value: AnyValue(array_value=ArrayValue(values=[value])))
_mixed = st.lists(st.one_of(_integers, _texts, _others, _nested), max_size=4)
_uniform = st.one_of(*(st.lists(values, max_size=5) for values in (_integers, _floats, _texts, _booleans)))
_lists = st.one_of(_uniform, _uniform, _mixed).map(lambda values: AnyValue(array_value=ArrayValue(values=values)))
#: A number in two bytes where one would do, and a field that no version knows yet.
_ODD = [b"\x2a\x84\x00\x0a\x02\x18\x05", b"\x2a\x04\x0a\x02\x18\x05\xa0\x06\x01", b"\x2a\x05\x0a\x03\x18\x85\x00"]
_encoded = st.one_of(st.one_of(_lists, _others).map(AnyValue.SerializeToString), st.none())


def told(values: list[bytes | None]) -> dict[str, dict[int, Any]]:
    found = lists_in(pa.array(values, pa.binary()))
    return {name: dict(zip(rows.tolist(), lists.to_pylist(), strict=True)) for name, lists, rows in found}


def decoded(values: list[bytes | None]) -> dict[str, dict[int, Any]]:
    """Return the same as Protobuf's own decoder tells it."""
    names = {"string_value": "str[]", "int_value": "int[]", "double_value": "float[]", "bool_value": "bool[]"}
    found: dict[str, dict[int, Any]] = {}
    for row, value in enumerate(values):
        elements = AnyValue.FromString(value or b"").array_value.values
        kinds = {str(element.WhichOneof("value")) for element in elements}
        if len(kinds) == 1 and (kind := kinds.pop()) in names:
            found.setdefault(names[kind], {})[row] = [getattr(element, kind) for element in elements]
    return found


@settings(max_examples=60, deadline=None)
@given(values=st.lists(_encoded, max_size=8))
def test_lists_are_those_of_a_whole_decoder(values: list[bytes | None]) -> None:
    assert told(values) == decoded(values)


@settings(max_examples=20, deadline=None)
@given(values=st.lists(_encoded, max_size=3), odd=st.sampled_from(_ODD))
def test_what_is_written_oddly_is_decoded_too(values: list[bytes | None], odd: bytes) -> None:
    assert told([*values, odd]) == decoded([*values, odd])
