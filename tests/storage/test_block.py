"""Blocks: what is read is what was written, from memory and from local files; bad files are told."""

from __future__ import annotations

import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.arrays import single_chunk
from storage.block import table_file
from storage.block.files import BlockFiles, MemoryFiles, StoredFiles
from storage.block.meta import DESCRIPTION, BlockMeta
from storage.block.presence import STRIPE_ROWS, columns_of, find_presence
from storage.block.reader import Block
from storage.block.schema import SPAN_COLUMNS
from storage.block.table_file import TableFile
from storage.block.verify import find_damage
from storage.block.writer import EncodedBlock, Origin, write_block
from storage.chunk import Chunk
from storage.columns import SpanTables
from storage.errors import DamagedBlock, StorageError
from storage.local_objects import LocalStore
from storage.merge import merge
from storage.sealed_json import seal, unseal
from storage.take import take_array
from tests.otlp_oracle import Span, tables_to_spans
from tests.storage.builder import SPAN, tables_of
from tests.storage.recorded import recorded_tables
from tests.storage.source_contract import TABLES, assert_described, assert_finds, assert_reads
from tests.storage.strategies import spans
from tests.storage.test_merge import assert_same

_NUMBERS = itertools.count()  # what is kept of blocks goes by their ids
ORIGIN = Origin("b", "t", "n", 3, 9, (5, 2**62))
QUICK = settings(deadline=None, max_examples=10)


def encode(tables: SpanTables, unit_spans: int = 131_072, page_rows: int = 50) -> EncodedBlock:
    return write_block(tables, replace(ORIGIN, id=f"b{next(_NUMBERS)}"), unit_spans=unit_spans, page_rows=page_rows)


def in_memory(encoded: EncodedBlock) -> Block:
    return Block.open(encoded.meta, MemoryFiles(encoded.files))


def on_disk(encoded: EncodedBlock, folder: Path) -> Block:
    store = LocalStore(folder)
    for name, data in encoded.files.items():
        store.put(f"t/b/{name}", bytes(data))
    return Block.open(encoded.meta, StoredFiles(store, "t/b"))


@QUICK
@given(st.lists(spans, max_size=8), st.integers(1, 8), st.integers(1, 3))
def test_reads_what_was_written(sent: list[Span], unit_spans: int, page_rows: int) -> None:
    tables = merge([tables_of(sent)])
    block = in_memory(encode(tables, unit_spans, page_rows))
    assert_reads(block, tables)
    assert_described(block, tables)
    assert_finds(block, tables)
    assert_same(block.take_traces(range(block.meta.trace_count)), tables)
    chunk = Chunk.seal(tables, id="c", tenant="t")
    for row in range(block.meta.trace_count):
        assert_same(block.take_traces([row]), chunk.take_traces([row]))


@QUICK
@given(st.lists(spans, max_size=12), st.integers(1, 4), st.integers(1, 12), st.integers(1, 3))
def test_a_unit_is_read_of_several_row_groups(
    sent: list[Span], row_group_spans: int, unit_spans: int, page_rows: int
) -> None:
    tables = merge([tables_of(sent)])
    origin = replace(ORIGIN, id=f"b{next(_NUMBERS)}")
    encoded = write_block(tables, origin, row_group_spans=row_group_spans, unit_spans=unit_spans, page_rows=page_rows)
    block = in_memory(encoded)
    assert BlockMeta.decode(encoded.meta.encode()) == encoded.meta
    whole = [unit for unit in block.meta.units if unit.stop_trace - unit.first_trace > 1]
    assert all(unit.stop_span - unit.first_span <= unit_spans for unit in whole)
    assert len(encoded.meta.row_groups) >= len(block.meta.units)
    assert_reads(block, tables)
    assert_described(block, tables)
    assert_same(block.take_traces(range(block.meta.trace_count)), tables)


def test_recorded_row_groups_are_read_as_one_unit(shared: Path, tmp_path: Path) -> None:
    tables = recorded_tables(shared, "essvt")
    block = on_disk(write_block(tables, ORIGIN, row_group_spans=500), tmp_path)
    assert len(block.block_meta.row_groups) > 2
    assert len(block.meta.units) == 1
    assert_reads(block, tables)
    assert_finds(block, tables)


@pytest.mark.parametrize("name", ["small", "essvt"])
def test_recorded_traces_from_local_files(shared: Path, tmp_path: Path, name: str) -> None:
    tables = recorded_tables(shared, name)
    block = on_disk(encode(tables, 500), tmp_path)
    assert len(block.meta.units) > 1
    assert_reads(block, tables)
    assert_described(block, tables)
    assert_finds(block, tables)
    assert tables_to_spans(block.take_traces(range(block.meta.trace_count))) == tables_to_spans(tables)


def test_takes_what_a_chunk_takes(shared: Path) -> None:
    tables = recorded_tables(shared, "small")
    chunk = Chunk.seal(tables, id="c", tenant="t")
    block = in_memory(encode(tables, 700))
    for rows in ([0], [5, 3], [0, 300, 667], [], *([row] for row in range(7, 667, 60))):
        assert_same(block.take_traces(rows), chunk.take_traces(rows))


def test_description_survives_json(shared: Path) -> None:
    for name in ("small", "essvt"):
        encoded = encode(recorded_tables(shared, name))
        assert BlockMeta.decode(bytes(encoded.files[DESCRIPTION])) == encoded.meta
        assert set(encoded.meta.files) == set(encoded.files) - {DESCRIPTION}
        assert {n: f.size for n, f in encoded.meta.files.items()} == {
            n: len(encoded.files[n]) for n in encoded.meta.files
        }


def test_keys_with_dots_that_begin_alike_stay_apart() -> None:
    attributes = (
        ("a", ("int", 1)),
        ("a.b", ("str", "x")),
        ("a::int", ("bool", True)),
        ("a::int.list.element", ("str", "y")),
        ("a", ("array", ("int", 2), ("int", 3))),
        ("a.list.element", ("float", "3ff0000000000000")),
    )
    tables = merge(
        [tables_of([replace(SPAN, attributes=attributes[:4]), replace(SPAN, kind=2, attributes=attributes[4:])])]
    )
    assert_reads(in_memory(encode(tables)), tables)


def test_a_stranger_reads_the_same_with_pyarrow(shared: Path) -> None:
    tables = recorded_tables(shared, "small")
    encoded = encode(tables, 1000)
    for name in TABLES:
        stored = pq.read_table(pa.BufferReader(encoded.files[f"{name}.parquet"]))
        assert stored.num_rows == tables.table(name).num_rows
        for column in tables.table(name).column_names:
            assert stored[column].to_pylist() == tables.table(name)[column].to_pylist()


def test_columns_are_read_by_many_threads_at_once(shared: Path, tmp_path: Path) -> None:
    tables = recorded_tables(shared, "essvt")
    block = on_disk(encode(tables, 400), tmp_path)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(assert_reads, block, tables) for _ in range(4)]:
            done.result()


@QUICK
@given(st.lists(spans, min_size=1, max_size=12), st.integers(1, 8), st.integers(1, 4), st.data())
def test_rows_are_those_of_the_whole_column(
    sent: list[Span], unit_spans: int, page_rows: int, data: st.DataObject
) -> None:
    encoded = encode(merge([tables_of(sent)]), unit_spans, page_rows)
    for table in TABLES:
        size = encoded.meta.files[f"{table}.parquet"].size
        file = TableFile(MemoryFiles(encoded.files), table, size, page_rows)
        for unit in range(1 if table in {"resources", "scopes"} else len(encoded.meta.source.units)):
            whole = file.read_row_group(unit)
            numbers = st.integers(0, max(0, whole.num_rows - 1))
            rows = sorted(data.draw(st.sets(numbers, max_size=whole.num_rows)))
            assert_rows(file, unit, whole, rows)


@pytest.mark.parametrize("name", ["small", "essvt"])
def test_rows_of_recorded_columns(shared: Path, name: str) -> None:
    encoded = encode(recorded_tables(shared, name))
    for table in TABLES:
        file = TableFile(MemoryFiles(encoded.files), table, encoded.meta.files[f"{table}.parquet"].size, 50)
        whole = file.read_row_group(0)
        for first in range(0, whole.num_rows - 60, 607):
            assert_rows(file, 0, whole, [first, first + 3, first + 55, *range(first + 56, first + 60)])


def test_what_is_taken_part_by_part_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "_FEW_ROWS", 0)
    monkeypatch.setattr(table_file, "_FEW_OF_ALL", 0)
    sent = [replace(SPAN, span_id=bytes(7) + bytes([n]), name=f"n{n % 7}") for n in range(1, 91)]
    encoded = encode(merge([tables_of(sent)]))
    file = TableFile(MemoryFiles(encoded.files), "spans", encoded.meta.files["spans.parquet"].size, 50)
    whole, read = file.read_row_group(0), []
    monkeypatch.setattr(
        file, "_read", lambda groups, columns: read.append(groups) or TableFile._read(file, groups, columns)
    )
    for first in range(0, 90, 30):
        assert_rows(file, 0, whole, list(range(first, first + 30)))
    assert len(read) == 1
    assert_rows(file, 0, whole, [0])  # its end was taken, so it was given up
    assert len(read) == 2


def assert_rows(file: TableFile, unit: int, whole: pa.Table, rows: list[int]) -> None:
    at = np.array(rows, np.int64)
    found = file.read_rows(unit, at)
    found.validate(full=True)
    assert found.schema == whole.schema
    for name in whole.column_names:
        expected = take_array(single_chunk(whole.column(name)), at.astype(np.int32))
        array = single_chunk(found.column(name))
        assert repr(array.to_pylist()) == repr(expected.to_pylist())  # NaN is not equal to itself
        if pa.types.is_dictionary(array.type):
            assert array.dictionary.equals(expected.dictionary)


def test_columns_of_a_stripe_are_known(shared: Path) -> None:
    spans = recorded_tables(shared, "small").spans
    for table in (spans, spans[13:], spans[:129], spans[:0], pa.concat_tables([spans[5:50], spans[300:]])):
        presence = find_presence(table)
        assert presence.shape[0] == -(-table.num_rows // STRIPE_ROWS)
        for first in range(0, table.num_rows, STRIPE_ROWS):
            stripe = table[first : first + STRIPE_ROWS]
            found = columns_of(presence, table.schema, np.array([first, first + stripe.num_rows - 1]))
            own = {name for name in table.column_names if "::" not in name and name != "rest"}
            assert found == own | {n for n in table.column_names if stripe.column(n).null_count < stripe.num_rows}


def test_stripes_of_another_length_are_read(shared: Path) -> None:
    encoded = encode(recorded_tables(shared, "small"), page_rows=1_000)
    block = in_memory(encoded)
    stripes = np.load(io.BytesIO(encoded.files[SPAN_COLUMNS]))
    longer = np.bitwise_or.reduceat(stripes, np.arange(0, len(stripes), 128 // STRIPE_ROWS), axis=0)
    written = io.BytesIO()
    np.save(written, longer)
    data = written.getvalue()
    description = {**unseal(DESCRIPTION, encoded.meta.encode())}
    del description["stripe_rows"]  # as the first blocks had it
    description["files"][SPAN_COLUMNS] = {"size": len(data), "crc32c": google_crc32c.value(data)}
    files = {**encoded.files, SPAN_COLUMNS: data}
    early = Block.open(BlockMeta.decode(seal(description)), MemoryFiles(files))
    for rows in ([0], [3, 40], list(range(block.meta.trace_count))):
        assert_same(early.take_traces(rows), block.take_traces(rows))


def test_pages_cut_otherwise_are_read_whole(shared: Path) -> None:
    tables = recorded_tables(shared, "small")
    encoded = encode(tables, page_rows=64)
    for page_rows in (50, 65):  # as many pages of another length, too
        block = Block.open(replace(encoded.meta, page_rows=page_rows), MemoryFiles(encoded.files))
        assert_same(block.take_traces([9]), Chunk.seal(tables, id="c", tenant="t").take_traces([9]))


class Counting(BlockFiles):
    """Remembers which bytes were asked for."""

    def __init__(self, files: BlockFiles) -> None:
        self._files = files
        self.bytes_read: dict[str, int] = {}

    def local_path(self, name: str) -> Path | None:
        return self._files.local_path(name)

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        self.bytes_read[name] = self.bytes_read.get(name, 0) + stop - start
        return self._files.read_range(name, start, stop)

    def size(self, name: str) -> int:
        return self._files.size(name)


def test_reading_a_column_reads_no_other(shared: Path) -> None:
    encoded = encode(recorded_tables(shared, "small"), 1000)
    files = Counting(MemoryFiles(encoded.files))
    block = Block.open(encoded.meta, files)
    assert files.bytes_read == {}
    block.read("spans", "start", 1)
    footer = files.bytes_read["spans.parquet"]
    block.read("spans", "kind", 1)
    assert set(files.bytes_read) == {"spans.parquet"}
    assert files.bytes_read["spans.parquet"] - footer < 2_000


def read_all(block: Block) -> None:
    block.find(np.zeros((1, 16), np.uint8))
    block.take_traces([0])


@pytest.mark.parametrize(
    "name", [f"{table}.parquet" for table in TABLES] + ["trace_ids.npy", "trace_rows.npy", "span_columns.npy"]
)
@pytest.mark.parametrize("harm", ["missing", "short", "zeros"])
def test_bad_files_are_told(shared: Path, tmp_path: Path, name: str, harm: str) -> None:
    encoded = encode(recorded_tables(shared, "small"))
    good = bytes(encoded.files[name])
    bad = {"short": good[: len(good) // 2], "zeros": bytes(len(good))}
    files = {n: data for n, data in encoded.files.items() if n != name} | ({name: bad[harm]} if harm in bad else {})
    broken = EncodedBlock(files, encoded.meta)
    for block in (in_memory(broken), on_disk(broken, tmp_path)):
        with pytest.raises(StorageError, match=r"npy|parquet"):
            read_all(block)


def test_a_flipped_bit_is_told(shared: Path) -> None:
    """Pages carry checksums, so what is damaged in one is never taken for data."""
    encoded = encode(recorded_tables(shared, "small"))
    data = bytearray(encoded.files["spans.parquet"])
    footer = pq.read_metadata(pa.BufferReader(bytes(data)))
    column = footer.row_group(0).column(footer.schema.names.index("span_id"))
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 4
    block = in_memory(EncodedBlock({**encoded.files, "spans.parquet": bytes(data)}, encoded.meta))
    assert block.read("spans", "kind", 0) is not None
    with pytest.raises(DamagedBlock, match=r"spans\.parquet"):
        block.read("spans", "span_id", 0)


def test_descriptions_that_say_nothing_are_refused(shared: Path) -> None:
    good = bytes(encode(recorded_tables(shared, "essvt")).files[DESCRIPTION])
    fields = unseal("", good)
    for bad in (b"", b"{}", good[:-9], good.replace(b'"t"', b'"u"'), seal({**fields, "rows": 7}), seal({})):
        with pytest.raises(DamagedBlock, match=r"block\.json"):
            BlockMeta.decode(bad)
    with pytest.raises(DamagedBlock, match=r"format is 2\.0"):
        BlockMeta.decode(seal({**fields, "format": "2.0"}))
    assert BlockMeta.decode(seal({**fields, "format": "1.7"})).tenant == "t"


def test_all_damage_is_found(shared: Path) -> None:
    encoded = encode(recorded_tables(shared, "essvt"))
    files = dict(encoded.files)
    assert list(find_damage(encoded.meta, MemoryFiles(files))) == []
    links = bytearray(files["links.parquet"])
    links[len(links) // 2] ^= 1
    files["links.parquet"] = bytes(links)
    files["spans.parquet"] = bytes(files["spans.parquet"])[:-1]
    del files["trace_rows.npy"]
    found = dict(find_damage(encoded.meta, MemoryFiles(files)))
    assert set(found) == {"links.parquet", "spans.parquet", "trace_rows.npy"}
    assert "checksum" in found["links.parquet"]
    assert "missing" in found["trace_rows.npy"]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_bytes_that_are_not_as_written_are_told_or_change_nothing(data: st.DataObject) -> None:
    """Whatever byte of a file is another, footer and page index included, reading rows ends, and never in a crash."""
    table = data.draw(st.sampled_from(["spans", "traces", "events"]))
    good = bytes(DAMAGED.files[f"{table}.parquet"])
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    files = MemoryFiles({**DAMAGED.files, f"{table}.parquet": bytes(bad)})
    try:
        file = TableFile(files, table, len(good), 4)
        for unit in range(len(DAMAGED.meta.source.units)):
            file.read_rows(unit, np.arange(file.count(unit)))
    except DamagedBlock:
        pass


SOME = ("str", "x"), ("int", 7), ("float", "3ff0000000000000"), ("bool", True), ("array", ("str", "y"), ("str", "z"))
DAMAGED = encode(
    merge(
        [
            tables_of(
                [
                    replace(SPAN, trace_id=bytes(15) + bytes([n]), attributes=(("a", SOME[n % 5]), ("b", SOME[n % 2])))
                    for n in range(1, 40)
                ]
            )
        ]
    ),
    page_rows=4,
)
