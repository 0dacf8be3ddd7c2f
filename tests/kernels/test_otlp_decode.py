"""What stands in the columns that requests are decoded to."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from storage.columns import (
    EVENT_FIELDS,
    LINK_FIELDS,
    MAX_ATTRIBUTE_COLUMNS,
    RESOURCE_FIELDS,
    REST,
    SCOPE_FIELDS,
    SPAN_FIELDS,
    SpanTables,
    is_attribute_column,
)
from tempo_dask.kernels import otlp_choose
from tempo_dask.kernels.otlp import decode
from tests.kernels.otlp_strategies import field, varint
from tests.kernels.test_otlp_check import SPAN_ID, TRACE_ID, request
from tests.otlp_oracle import requests_to_spans, tables_to_spans

MINIMAL = TRACE_ID + SPAN_ID


def decoded(*bodies: bytes) -> SpanTables:
    """Decode requests, and hold the columns against what upb reads."""
    tables = decode(bodies)
    assert tables_to_spans(tables) == requests_to_spans(bodies)
    return tables


def with_values(*values: Any, key: str = "k") -> bytes:
    """Return a request with a span for each value of an attribute: a plain value, a list of them, bytes or None."""
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for number, value in enumerate(values):
        span = spans.add(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), name="n")
        span.span_id = (number + 1).to_bytes(8, "big")
        set_value(span.attributes.add(key=key).value, value)
    return message.SerializeToString()


def set_value(wire: Any, value: Any) -> None:
    """Set an AnyValue to a Python value."""
    if isinstance(value, list):
        wire.array_value.SetInParent()
        for item in value:
            set_value(wire.array_value.values.add(), item)
    elif value is not None:
        names = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value", bytes: "bytes_value"}
        setattr(wire, names[type(value)], value)


def test_tables_have_their_own_columns_then_attributes_then_rest() -> None:
    tables = decoded(with_values(1))
    own = {"spans": SPAN_FIELDS, "resources": RESOURCE_FIELDS, "scopes": SCOPE_FIELDS}
    own |= {"events": EVENT_FIELDS, "links": LINK_FIELDS}
    for name, fields in own.items():
        table = getattr(tables, name)
        assert tuple(table.schema)[: len(fields)] == fields
        assert table.column_names[-1] == "rest"
        assert table.schema.field("rest").type == REST
    assert tables.traces is None


@pytest.mark.parametrize("bodies", [[], [b""], [b"", b""]])
def test_nothing_decodes_to_tables_without_rows(bodies: list[bytes]) -> None:
    tables = decode(bodies)
    rows = [getattr(tables, name).num_rows for name in ("spans", "resources", "scopes", "events", "links")]
    assert rows == [0, 0, 0, 0, 0]


COLUMNS = {
    "str": ("span.k::str", ["a", None, "b", "a", ""]),
    "int": ("span.k::int", [1, -1, None, 2**63 - 1, -(2**63)]),
    "float": ("span.k::float", [1.5, None, -0.0, float("inf"), 5e-324]),
    "bool": ("span.k::bool", [True, None, False, True]),
    "str[]": ("span.k::str[]", [["a", "", "b"], None, ["λ" * 50]]),
    "int[]": ("span.k::int[]", [[1], None, [2, -3]]),
    "float[]": ("span.k::float[]", [None, [0.5], [1.0, 2.0]]),
    "bool[]": ("span.k::bool[]", [[True, False], [False], None]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_values_of_one_type_have_a_column(name: str) -> None:
    column, values = COLUMNS[name]
    spans = decoded(with_values(*values)).spans
    assert spans[column].to_pylist() == values
    assert [c for c in spans.column_names if is_attribute_column(c)] == [column]


REST_VALUES = {
    "bytes": b"\xff",
    "empty array": [],
    "mixed array": ["a", 1],
    "nested array": [["a"]],
    "array with nothing in it": [None],
}


@pytest.mark.parametrize("name", REST_VALUES)
def test_values_of_no_column_type_stand_in_rest(name: str) -> None:
    spans = decoded(with_values(REST_VALUES[name])).spans
    assert not any(map(is_attribute_column, spans.column_names))
    ((entry,),) = spans["rest"].to_pylist()
    assert {k for k, v in entry.items() if v is not None} == {"key", "other"}


def test_a_key_without_a_value_is_empty_bytes_in_rest() -> None:
    body = request(MINIMAL + field(9, 2, field(1, 2, b"k")) + field(9, 2, field(1, 2, b"l") + field(2, 2, b"")))
    entries = decoded(body).spans["rest"].to_pylist()[0]
    assert [(e["key"], e["other"]) for e in entries] == [("k", b""), ("l", b"")]


def test_later_values_of_a_key_on_one_span_stand_in_rest() -> None:
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    for value in ("a", "b", 1, 2.5, True, ["x"]):
        set_value(span.attributes.add(key="k").value, value)
    spans = decoded(message.SerializeToString()).spans
    assert spans["span.k::str"].to_pylist() == ["a"]
    (entries,) = spans["rest"].to_pylist()
    assert [[v for v in list(e.values())[1:5] if v is not None] for e in entries] == [["b"], [1], [2.5], [True], []]


def test_a_key_may_have_several_types_and_scopes() -> None:
    message = ExportTraceServiceRequest.FromString(with_values(1, "a", 2))
    message.resource_spans[0].resource.attributes.add(key="k").value.bool_value = True
    tables = decoded(message.SerializeToString())
    assert tables.spans["span.k::int"].to_pylist() == [1, None, 2]
    assert tables.spans["span.k::str"].to_pylist() == [None, "a", None]
    assert tables.resources["resource.k::bool"].to_pylist() == [True]


def test_a_column_without_nulls_has_no_validity() -> None:
    column = decoded(with_values("a", "b")).spans["span.k::str"].chunk(0)
    assert column.null_count == 0
    assert column.buffers()[0] is None


def test_a_dictionary_holds_each_string_of_its_column_once() -> None:
    column = decoded(with_values("a", "b", "a"), with_values("b", "c")).spans["span.k::str"].chunk(0)
    assert column.dictionary.to_pylist() == ["a", "b", "c"]


def test_equal_resources_and_scopes_of_a_group_have_one_row() -> None:
    tables = decoded(*[with_values(number) for number in range(5)])
    assert (tables.resources.num_rows, tables.scopes.num_rows) == (1, 1)


def test_resources_differ_by_schema_url() -> None:
    resource = field(1, 2, field(1, 2, field(1, 2, b"k") + field(2, 2, field(1, 2, b"v"))))
    spans = field(2, 2, field(2, 2, MINIMAL))
    bodies = [field(1, 2, resource + spans + field(3, 2, url)) for url in (b"u", b"", b"u", b"w")]
    tables = decoded(*bodies)
    assert tables.spans["resource"].to_pylist() == [0, 1, 0, 2]
    assert tables.resources["schema_url"].to_pylist() == ["u", "", "w"]


def attribute(key: bytes, value: bytes) -> bytes:
    """Return the content of a KeyValue."""
    return field(1, 2, key) + field(2, 2, value)


ODD = {
    "resource in parts around its spans": field(1, 2, field(1, 2, attribute(b"a", b"")) + field(2, 0, b"\x07"))
    + field(2, 2, field(2, 2, MINIMAL))
    + field(1, 2, field(1, 2, attribute(b"b", field(3, 0, b"\x02")))),
    "scope in parts": field(
        2,
        2,
        field(1, 2, field(1, 2, b"name") + field(4, 0, b"\x03"))
        + field(2, 2, MINIMAL)
        + field(1, 2, field(2, 2, b"version") + field(3, 2, attribute(b"c", b""))),
    ),
    "status in parts": field(
        2, 2, field(2, 2, MINIMAL + field(15, 2, field(2, 2, b"why")) + field(15, 2, field(3, 0, b"\x02")))
    ),
    "fields repeated, the last counts": field(
        2,
        2,
        field(2, 2, MINIMAL + field(5, 2, b"one") + field(5, 2, b"two") + field(6, 0, b"\x01") + field(6, 0, b"\x05")),
    ),
    "name taken back": field(2, 2, field(2, 2, MINIMAL + field(5, 2, b"one") + field(5, 2, b""))),
    "times above 2**63, end before start": field(
        2, 2, field(2, 2, MINIMAL + field(7, 1, b"\xff" * 8) + field(8, 1, bytes(8)))
    ),
    "kind below zero and above 32 bits": field(
        2,
        2,
        field(2, 2, MINIMAL + field(6, 0, varint(2**64 - 1))) + field(2, 2, MINIMAL + field(6, 0, varint(2**40 + 3))),
    ),
    "counts above 32 bits": field(
        2, 2, field(2, 2, MINIMAL + field(10, 0, varint(2**32 + 9)) + field(12, 0, varint(2**32 - 1)))
    ),
    "flags": field(2, 2, field(2, 2, MINIMAL + field(16, 5, b"\xff\x01\x00\x80"))),
    "unknown fields and groups between": field(
        2, 2, field(2, 2, field(20, 3, b"") + b"\x08\x01" + field(20, 4, b"") + MINIMAL + field(30, 0, b"\x01"))
    ),
    "empty resource and none": field(1, 2, b"") + field(2, 2, field(2, 2, MINIMAL)),
}


@pytest.mark.parametrize("name", ODD)
def test_a_span_laid_out_oddly_is_read_as_upb_reads_it(name: str) -> None:
    body = field(1, 2, ODD[name])
    assert len(tables_to_spans(decoded(body, body, request(MINIMAL)))) >= 3


ODD_VALUES = {
    "last member counts": field(1, 2, b"x") + field(3, 0, b"\x01"),
    "array in parts": field(5, 2, field(1, 2, field(1, 2, b"x"))) + field(5, 2, field(1, 2, field(1, 2, b"y"))),
    "array begun anew": field(5, 2, field(1, 2, field(1, 2, b"x")))
    + field(3, 0, b"\x01")
    + field(5, 2, field(1, 2, field(1, 2, b"y"))),
    "map in parts": field(6, 2, field(1, 2, attribute(b"x", b""))) + field(6, 2, field(1, 2, attribute(b"y", b""))),
    "only an unknown field": field(30, 0, b"\x01"),
    "an unknown field beside a value": field(30, 0, b"\x01") + field(1, 2, b"x"),
    "bool of many bits": field(2, 0, varint(2**63)),
    "bool that overflows": b"\x10" + b"\x80" * 9 + b"\x02",
    "padded int": field(3, 0, varint(5, 3)),
    "padded tag": varint(3 << 3, 1) + b"\x05",
    "array of items set twice": field(5, 2, field(1, 2, field(1, 2, b"x") + field(3, 0, b"\x01"))),
    "array with an unknown field": field(5, 2, field(9, 0, b"\x01") + field(1, 2, field(3, 0, b"\x01"))),
    "index of a string": field(8, 0, b"\x03"),
}


@pytest.mark.parametrize("name", ODD_VALUES)
def test_a_value_laid_out_oddly_is_read_as_upb_reads_it(name: str) -> None:
    value = ODD_VALUES[name]
    whole = field(9, 2, attribute(b"k", value))
    turned = field(9, 2, field(2, 2, value) + field(1, 2, b"turned"))
    parts = field(9, 2, field(2, 2, value) + field(1, 2, b"parts") + field(2, 2, value))
    decoded(request(MINIMAL + whole + turned + parts, MINIMAL + whole + whole))


def test_ids_that_are_absent_are_null() -> None:
    links = [field(13, 2, content) for content in (b"", field(1, 2, bytes(16)) + field(2, 2, b"12345678"))]
    body = request(MINIMAL + b"".join(links), MINIMAL + field(4, 2, bytes(8)), MINIMAL + field(4, 2, b"12345678"))
    tables = decoded(body)
    assert tables.spans["parent_span_id"].to_pylist() == [None, None, b"12345678"]
    assert tables.links["trace_id"].to_pylist() == [None, None]
    assert tables.links["span_id"].to_pylist() == [None, b"12345678"]


def test_threads_decode_side_by_side() -> None:
    groups = [[with_values(*range(i, i + 50), key=f"k{i}"), with_values(*map(str, range(i)))] for i in range(1, 40)]
    expected = [requests_to_spans(group) for group in groups]
    with ThreadPoolExecutor(4) as pool:
        found = [tables_to_spans(tables) for tables in pool.map(decode, groups)]
    assert found == expected


def test_tables_outlive_the_groups_decoded_after_them() -> None:
    first = [with_values("a", 1, [2.5], b"\xff", key="first")]
    tables = decode(first)
    decode([with_values(*map(str, range(1000)), key="second")])
    assert tables_to_spans(tables) == requests_to_spans(first)


def test_requests_that_were_not_accepted_cannot_be_decoded() -> None:
    with pytest.raises(ValueError, match="request 1 of 2 was not accepted"):
        decode([request(MINIMAL), request(b"")])


def many_keys(count: int, spans: int = 1) -> bytes:
    """Return a request in which every attribute has a key of its own."""
    contents = (attribute(f"k{number}".encode(), field(3, 0, varint(number))) for number in range(count))
    pairs = [field(9, 2, content) for content in contents]
    step = -(-count // spans)
    return request(*(MINIMAL + b"".join(pairs[at : at + step]) for at in range(0, count, step)))


def test_the_most_frequent_keys_of_a_table_have_columns() -> None:
    often = request(*(MINIMAL + field(9, 2, attribute(b"often", field(3, 0, b"\x01"))) for _ in range(2)))
    tables = decoded(many_keys(MAX_ATTRIBUTE_COLUMNS + 200), often)
    names = [name for name in tables.spans.column_names if is_attribute_column(name)]
    assert len(names) == MAX_ATTRIBUTE_COLUMNS
    assert "span.often::int" in names
    assert pa.compute.list_value_length(tables.spans["rest"]).to_pylist() == [201, None, None]


def test_columns_take_no_memory_out_of_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_choose, "MAX_CELLS", 1000)
    tables = decoded(many_keys(500, spans=100))
    assert sum(map(is_attribute_column, tables.spans.column_names)) == 10


def seconds(body: bytes) -> float:
    """Return how much of a processor's time decoding takes, the best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.thread_time()
        decode([body])
        best = min(best, time.thread_time() - start)
    return best


HOSTILE = {
    "keys": lambda n: many_keys(n),
    "attributes of one key": lambda n: request(MINIMAL + field(9, 2, attribute(b"k", field(1, 2, b"v"))) * n),
    "empty attributes": lambda n: request(MINIMAL + field(9, 2, b"") * n),
    "resources": lambda n: b"".join(field(1, 2, field(3, 2, str(i).encode())) for i in range(n)),
    "parts of a resource": lambda n: field(1, 2, field(1, 2, field(2, 0, b"\x01")) * n + field(2, 2, b"") * n),
    "parts of a value": lambda n: request(MINIMAL + field(9, 2, field(2, 2, field(5, 2, b"")) * n)),
    "unknown groups": lambda n: request(MINIMAL + (field(20, 3, b"") * 50 + field(20, 4, b"") * 50) * (n // 50)),
    "strings": lambda n: request(*(MINIMAL + field(5, 2, str(i).encode()) for i in range(n))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_what_is_sent_and_not_faster(name: str) -> None:
    """32 times as much may take at most 300 times as long, caches being small: quadratic would be 1024."""
    small, large = (seconds(HOSTILE[name](n)) for n in (4_000, 128_000))
    assert large < 300 * max(small, 0.001)
