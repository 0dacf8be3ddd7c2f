"""A million keys, each on one span: a bounded number of columns, a small block, every value still found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from storage.block.files import MemoryFiles
from storage.block.reader import Block
from storage.block.writer import Origin, write_block
from storage.columns import MAX_ATTRIBUTE_COLUMNS, REST_FIELD, SpanTables, is_attribute_column
from storage.merge import merge
from storage.tempo_blocks.shred import shred
from storage.tempo_blocks.values import TypedValues
from tempo_dask.kernels.otlp import decode
from tests.storage.source_contract import native

SPANS, KEYS_OF_SPAN, REQUESTS = 10_000, 100, 10


def request_of(first: int, spans: int) -> bytes:
    """Return a request of spans with a common key and many that no other span has; the value tells the key."""
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    for number in range(first, first + spans):
        span = scope_spans.spans.add(
            trace_id=number.to_bytes(16), span_id=number.to_bytes(8), start_time_unix_nano=number, name="x"
        )
        span.attributes.add(key="common").value.string_value = "c"
        for at in range(number * KEYS_OF_SPAN, (number + 1) * KEYS_OF_SPAN):
            span.attributes.add(key=f"key.{at}").value.int_value = at
    return request.SerializeToString()


@contextmanager
def timed(what: str, report: Callable[[str, object], None]) -> Iterator[None]:
    started = time.process_time()
    yield
    report(f"{what}, processor seconds", round(time.process_time() - started, 2))


def attribute_columns(tables: SpanTables) -> list[str]:
    return list(filter(is_attribute_column, tables.spans.column_names))


@pytest.mark.slow
def test_a_million_keys(record_property: Callable[[str, object], None]) -> None:
    per_request = SPANS // REQUESTS
    bodies = [request_of(1 + n * per_request, per_request) for n in range(REQUESTS)]
    with timed("decode", record_property):
        chunks = [decode([body]) for body in bodies]
    assert all(len(attribute_columns(tables)) <= MAX_ATTRIBUTE_COLUMNS for tables in chunks)
    with timed("merge", record_property):
        merged = merge(chunks)
    with timed("write", record_property):
        encoded = write_block(merged, Origin("b", "t"))
    sent, stored = sum(map(len, bodies)), encoded.meta.size_bytes
    record_property("bytes sent", sent)
    record_property("bytes stored", stored)
    assert len(attribute_columns(merged)) == MAX_ATTRIBUTE_COLUMNS
    assert "span.common::str" in encoded.meta.source.columns
    assert stored < sent / 3
    assert len(encoded.files["block.json"]) < 200_000
    block = Block.open(encoded.meta, MemoryFiles(encoded.files))
    for number in (KEYS_OF_SPAN, SPANS * KEYS_OF_SPAN // 2 + 7, SPANS * KEYS_OF_SPAN + 1):
        assert value_of(block, f"key.{number}") == [number]


def value_of(block: Block, key: str) -> list[int]:
    """Return the values of a span's key, from its column or from `rest`."""
    column = block.read("spans", f"span.{key}::int", 0) or block.read_rest("spans", key, 0)["int"]
    return [value for value in native(column) if value is not None]


def test_a_bound_on_columns_of_tempos_blocks() -> None:
    """The most frequent have a column, equally frequent ones by name; nothing is lost."""
    rows = np.array([0, 1, 2, 0, 1, 2])
    keys = pa.array(["often", "often", "c", "a", "b", "often"]).dictionary_encode()
    values = TypedValues("int", rows, keys, np.arange(6), pa.array([10, 11, 12, 13, 14, 15]))
    columns = shred("span", 3, [values], limit=2)
    assert {name: array.to_pylist() for name, array in columns.items() if name != "rest"} == {
        "span.often::int": [10, 11, 15],
        "span.a::int": [13, None, None],
    }
    rest = [[(e["key"], e["int"]) for e in entries or ()] for entries in columns[REST_FIELD.name].to_pylist()]
    assert rest == [[], [("b", 14)], [("c", 12)]]
