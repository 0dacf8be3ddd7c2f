"""Blocks that Tempo wrote, read in place."""

from __future__ import annotations

import gzip
import pickle
import shutil
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.block.files import StoredFiles
from storage.chunk import Chunk
from storage.columns import SpanTables
from storage.errors import DamagedBlock
from storage.local_objects import LocalStore
from storage.merge import merge
from storage.tempo_blocks.block import TempoBlock
from storage.tempo_blocks.row_group import RowGroup, row_groups
from tests.otlp_oracle import Attributes, Span, by_id, read_requests, requests_to_spans, tables_to_spans
from tests.storage.builder import SPAN
from tests.storage.source_contract import assert_described, assert_finds, assert_reads
from tests.storage.stores import CountingStore
from tests.storage.strategies import spans
from tests.storage.tempo_writer import TENANT, bare, write_block

FORMATS = ("vParquet3", "vParquet4", "vParquet5")
WRITTEN = ("vparquet4/a8318d9f-437e-4ccc-b86b-e745943b1c47", "vparquet5/20921cbd-d5ca-4ab3-9d31-1b2b8425b362")
#: What Tempo's distributor leaves of a text.
MAX_ATTRIBUTE_BYTES = 2048


def open_written(root: Path, sent: list[Span], format_name: str, row_group_size: int = 1000) -> TempoBlock:
    """Write a block into `root` as Tempo does and open it."""
    block_id = str(uuid.uuid4())
    write_block(root / TENANT / block_id, sent, format_name, row_group_size)
    return TempoBlock(StoredFiles(LocalStore(root), f"{TENANT}/{block_id}"), TENANT)


def spans_in(block: TempoBlock) -> list[Span]:
    return by_id(span for group in row_groups(block) for span in tables_to_spans(whole(group)))


def whole(group: RowGroup) -> SpanTables:
    return group.take_traces(range(group.meta.trace_count))


@pytest.mark.parametrize("name", WRITTEN)
def test_recorded_blocks_hold_what_was_sent(shared: Path, copy: Path, name: str) -> None:
    """Field by field, but for what Tempo does not store and cuts off."""
    requests = read_requests(gzip.decompress((shared / "conformance" / "traces.rec.gz").read_bytes()))
    sent = [bare(replace(s, attributes=_cut(s.attributes)), "vParquet4") for s in requests_to_spans(requests)]
    block = TempoBlock(StoredFiles(LocalStore(copy), name), TENANT)
    assert spans_in(block) == by_id(sent)


def _cut(attributes: Attributes) -> Attributes:
    return tuple((k, (v[0], v[1][:MAX_ATTRIBUTE_BYTES]) if v[0] == "str" else v) for k, v in attributes)


@pytest.fixture(scope="module")
def copy(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recorded blocks where a store may make its folders."""
    return Path(shutil.copytree(shared / "conformance" / "tempo-blocks", tmp_path_factory.mktemp("tempo") / "blocks"))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_row_group_is_a_source(copy: Path, name: str) -> None:
    block = TempoBlock(StoredFiles(LocalStore(copy), name), TENANT)
    [group] = row_groups(block)
    tables = block.read_spans(0)
    assert_reads(group, tables)
    assert_described(group, tables)
    assert_finds(group, tables)


@settings(deadline=None, max_examples=10)
@given(st.lists(spans, min_size=1, max_size=10), st.sampled_from(FORMATS), st.integers(1, 3))
def test_every_field_comes_back(sent: list[Span], format_name: str, row_group_size: int) -> None:
    """In every format, from any number of row groups; a span that stands twice comes once."""
    with tempfile.TemporaryDirectory() as root:
        block = open_written(Path(root), sent, format_name, row_group_size)
        assert spans_in(block) == by_id({bare(span, format_name) for span in sent})


@settings(deadline=None, max_examples=10)
@given(st.lists(spans, min_size=1, max_size=10), st.sampled_from(FORMATS))
def test_a_row_group_reads_as_what_was_sent_live(sent: list[Span], format_name: str) -> None:
    """Sorted, numbered, summarised and described as the same spans are in a chunk."""
    with tempfile.TemporaryDirectory() as root:
        block = open_written(Path(root), sent, format_name)
        [group] = row_groups(block)
        tables = block.read_spans(0)
        assert_reads(group, tables)
        assert_described(group, tables)
        assert_finds(group, tables)


def test_a_large_row_group_is_decoded_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path, copy: Path
) -> None:
    block = TempoBlock(StoredFiles(LocalStore(copy), WRITTEN[0]), TENANT)
    at_once = block.read_spans(0)
    monkeypatch.setattr("storage.tempo_blocks.block._BATCH_SPANS", 500)
    in_parts = block.read_spans(0)
    assert tables_to_spans(in_parts) == tables_to_spans(at_once)
    assert in_parts.table("traces").equals(at_once.table("traces"))


def test_what_is_not_asked_for_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds in time and absent ids come from the footer and the column of ids."""
    sent = [replace(SPAN, trace_id=bytes(15) + bytes([n]), start=5_000 + n, end=6_000 + n) for n in (1, 3)]
    [group] = row_groups(open_written(tmp_path, sent, "vParquet4"))
    monkeypatch.setattr(TempoBlock, "read_spans", _refuse)
    assert (group.meta.start_ns, group.meta.end_ns, group.meta.trace_count) == (5_001, 6_003, 2)
    absent = np.array([[0] * 15 + [n] for n in (0, 2, 9)], np.uint8)
    assert group.find(absent).tolist() == [-1, -1, -1]
    assert group.sorted_trace_ids().tolist() == [[0] * 15 + [n] for n in (1, 3)]
    with pytest.raises(AssertionError, match="decoded"):
        group.find(np.array([[0] * 15 + [1]], np.uint8))


def _refuse(*_: object) -> None:
    raise AssertionError("decoded")


def test_a_row_group_travels_as_where_it_lies(tmp_path: Path) -> None:
    [group] = row_groups(open_written(tmp_path, [SPAN], "vParquet5"))
    arrived = pickle.loads(pickle.dumps(group))
    assert len(pickle.dumps(group)) < 1000
    assert arrived.meta.id == group.meta.id
    assert tables_to_spans(whole(arrived)) == tables_to_spans(whole(group))


def test_lists_that_say_so_are_arrays(tmp_path: Path) -> None:
    """A dedicated column of vParquet5 with the option `array` holds arrays, those of one element too."""
    sent = [replace(SPAN, attributes=(("a", ("str", "x")),))]
    block_id = str(uuid.uuid4())
    write_block(tmp_path / TENANT / block_id, sent, "vParquet5")
    path = tmp_path / TENANT / block_id / "meta.json"
    path.write_text(path.read_text().replace('{"n": "a"}', '{"n": "a", "o": ["array"]}'))
    block = TempoBlock(StoredFiles(LocalStore(tmp_path), f"{TENANT}/{block_id}"), TENANT)
    assert spans_in(block)[0].attributes == (("a", ("array", ("str", "x"))),)


@pytest.mark.parametrize(
    ("name", "damage", "complaint"),
    [
        ("meta.json", b"{", "meta.json does not describe a block"),
        ("meta.json", b'{"format": "v2", "blockID": "x", "tenantID": "t"}', "its format is v2, this software reads"),
        ("data.parquet", b"PAR1", "data.parquet cannot be read"),
        ("data.parquet", b"", "data.parquet cannot be read"),
    ],
)
def test_damage_is_told(tmp_path: Path, name: str, damage: bytes, complaint: str) -> None:
    block = open_written(tmp_path, [SPAN], "vParquet4")
    (tmp_path / TENANT / block.meta.id / name).write_bytes(damage)
    with pytest.raises(DamagedBlock, match=complaint):
        TempoBlock(StoredFiles(LocalStore(tmp_path), f"{TENANT}/{block.meta.id}"), TENANT)


def test_a_broken_page_is_told(tmp_path: Path) -> None:
    block = open_written(tmp_path, [SPAN], "vParquet4")
    path = tmp_path / TENANT / block.meta.id / "data.parquet"
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)
    path.write_bytes(data)
    block = TempoBlock(StoredFiles(LocalStore(tmp_path), f"{TENANT}/{block.meta.id}"), TENANT)
    assert [name for name, _ in block.find_damage()] == ["data.parquet"]


def test_equal_to_a_chunk_of_the_same_spans(tmp_path: Path) -> None:
    sent = [replace(SPAN, span_id=bytes(7) + bytes([n]), attributes=(("a", ("int", n)),)) for n in range(1, 5)]
    [group] = row_groups(open_written(tmp_path, sent, "vParquet4"))
    chunk = Chunk.seal(merge([whole(group)]), id="c", tenant=TENANT)
    assert chunk.meta.columns == group.meta.columns
    assert chunk.meta.units == group.meta.units


@pytest.mark.parametrize("name", WRITTEN)
def test_a_row_group_comes_in_one_request(copy: Path, name: str) -> None:
    """From a store a network away; ids alone too, and what comes is what files hold."""
    store = CountingStore(LocalStore(copy))
    block = TempoBlock(StoredFiles(store, name), TENANT)
    opened = store.requests
    ids = block.read_trace_ids(0)
    tables = block.read_spans(0)
    assert store.requests == opened + 2
    here = TempoBlock(StoredFiles(LocalStore(copy), name), TENANT)
    assert tables_to_spans(tables) == tables_to_spans(here.read_spans(0))
    assert (ids == here.read_trace_ids(0)).all()
