"""Tempo's blocks and ours in one bucket: listed together, converted row group by row group."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from storage.block.reader import Block
from storage.block_store import BlockSnapshot
from storage.chunk import Chunk
from storage.commit_log import AlreadyFlushed
from storage.local_objects import LocalStore
from storage.merge import merge
from storage.object_store import StoreUnavailable
from storage.tempo_blocks.beside import BlocksBesideTempo, node_of
from storage.tempo_blocks.listing import TempoBlocks
from storage.tempo_blocks.row_group import RowGroup
from tests.otlp_oracle import Span, by_id, tables_to_spans
from tests.storage.builder import SPAN, tables_of
from tests.storage.stores import FailingStore
from tests.storage.tempo_writer import TENANT, write_block

SENT = [replace(SPAN, trace_id=bytes(15) + bytes([n]), start=5_000 * n, end=5_000 * n + 10) for n in range(1, 6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a block of five traces in three row groups."""
    folder = tmp_path / TENANT / str(uuid.uuid4())
    write_block(folder, SENT, "vParquet4", row_group_size=2)
    return folder


def spans_of(snapshot: BlockSnapshot) -> list[Span]:
    tables = [source.take_traces(range(source.meta.trace_count)) for source in snapshot.blocks]
    return by_id(span for each in tables for span in tables_to_spans(each))


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_they_are_listed_beside_ours(tmp_path: Path, folder: Path) -> None:
    store = BlocksBesideTempo(LocalStore(tmp_path))
    own = replace(SPAN, trace_id=bytes(15) + b"\xff")
    chunk = Chunk.seal(merge([tables_of([own])]), id="c", tenant=TENANT)
    store.publish(TENANT, [chunk], node="n", first_seq=1, last_seq=1, arrived_ns=(0, 0))
    listed = store.snapshot(TENANT)
    assert [type(source) for source in listed.blocks] == [Block, RowGroup, RowGroup, RowGroup]
    assert spans_of(listed) == by_id([*SENT, own])
    assert store.snapshot("somebody-else").blocks == ()


def test_a_window_leaves_out_row_groups(tmp_path: Path, folder: Path) -> None:
    """By the times in the file: those that Tempo says of the block are wrong here."""
    store = BlocksBesideTempo(LocalStore(tmp_path))
    assert spans_of(store.snapshot(TENANT, (15_010, 19_999))) == by_id(SENT[2:4])
    assert store.snapshot(TENANT, (30_000, 40_000)).blocks == ()


def test_the_tenant_is_the_folder(tmp_path: Path, folder: Path) -> None:
    folder.parent.rename(tmp_path / "renamed")
    sources = BlocksBesideTempo(LocalStore(tmp_path)).snapshot("renamed").blocks
    assert {source.meta.tenant for source in sources} == {"renamed"}


def test_tenants_with_blocks_of_one_id_are_kept_apart(tmp_path: Path, folder: Path) -> None:
    """What was decoded for one is not what another gets."""
    other = replace(SPAN, trace_id=bytes(15) + b"\xfe")
    write_block(tmp_path / "other" / folder.name, [other], "vParquet4")
    store = BlocksBesideTempo(LocalStore(tmp_path))
    assert spans_of(store.snapshot(TENANT)) == by_id(SENT)
    assert spans_of(store.snapshot("other")) == [other]


def test_compacted_and_broken_blocks(tmp_path: Path, folder: Path) -> None:
    """The first are not there; the second are told of, and the rest answers."""
    compacted = folder.with_name(str(uuid.uuid4()))
    write_block(compacted, SENT, "vParquet4")
    (compacted / "meta.json").rename(compacted / "meta.compacted.json")
    broken = folder.with_name(str(uuid.uuid4()))
    write_block(broken, SENT, "vParquet4")
    (broken / "data.parquet").write_bytes(b"no")
    folder.with_name("not-a-block").mkdir()
    (folder.with_name("not-a-block") / "meta.json").write_text("{}")
    listed = BlocksBesideTempo(LocalStore(tmp_path)).snapshot(TENANT)
    assert spans_of(listed) == by_id(SENT)
    assert list(listed.set_aside) == [broken.name]
    assert "data.parquet cannot be read" in listed.set_aside[broken.name]


def test_they_are_looked_for_now_and_then(tmp_path: Path, folder: Path) -> None:
    now = [0.0]
    blocks = TempoBlocks(LocalStore(tmp_path), poll_s=300, clock=lambda: now[0])
    first = blocks.listed(TENANT, ())
    assert list(first.blocks) == [folder.name]
    (folder / "meta.json").rename(folder / "meta.compacted.json")
    newer = folder.with_name(str(uuid.uuid4()))
    write_block(newer, SENT, "vParquet5")
    now[0] = 299.0
    assert blocks.listed(TENANT, ()) is first
    now[0] = 300.0
    assert list(blocks.listed(TENANT, ()).blocks) == [newer.name]
    assert blocks.listed(TENANT, {newer.name}) is blocks.listed(TENANT, ())


def test_what_stays_is_not_opened_again(tmp_path: Path, folder: Path) -> None:
    blocks = TempoBlocks(LocalStore(tmp_path), poll_s=0)
    assert blocks.listed(TENANT, ()).blocks[folder.name] is blocks.listed(TENANT, ()).blocks[folder.name]


def test_sources_stay_the_same(tmp_path: Path, folder: Path) -> None:
    """So what was stitched and decoded of them is remembered."""
    store = BlocksBesideTempo(LocalStore(tmp_path), poll_s=0)
    assert store.snapshot(TENANT).blocks == store.snapshot(TENANT).blocks


def test_conversion_goes_on_where_it_stopped(tmp_path: Path, folder: Path) -> None:
    """At every moment each row group is in Tempo's block or in ours, and Tempo's is not touched."""
    before = files_in(folder)
    store = BlocksBesideTempo(LocalStore(tmp_path))
    block = store.tempo_blocks(TENANT).blocks[folder.name]
    for done in range(3):
        kinds = [type(source) for source in store.snapshot(TENANT).blocks]
        assert kinds == [Block] * done + [RowGroup] * (3 - done)
        assert spans_of(store.snapshot(TENANT)) == by_id(SENT)
        assert next(store.convert(TENANT, block)) is not None
        store = BlocksBesideTempo(LocalStore(tmp_path))  # as after a crash
        block = store.tempo_blocks(TENANT).blocks[folder.name]
    assert list(store.convert(TENANT, block)) == []
    assert spans_of(store.snapshot(TENANT)) == by_id(SENT)
    assert store.block_list(TENANT).flushed == {node_of(folder.name): 3}
    assert files_in(folder) == before


def test_two_that_convert_at_once_double_nothing(tmp_path: Path, folder: Path) -> None:
    one, other = (BlocksBesideTempo(LocalStore(tmp_path)) for _ in range(2))
    of_one = one.convert(TENANT, one.tempo_blocks(TENANT).blocks[folder.name])
    of_other = other.convert(TENANT, other.tempo_blocks(TENANT).blocks[folder.name])
    next(of_one)
    with pytest.raises(AlreadyFlushed):
        list(_alternate([of_other, of_one]))
    store = BlocksBesideTempo(LocalStore(tmp_path))
    assert spans_of(store.snapshot(TENANT)) == by_id(SENT)


def _alternate(iterators: Sequence[object]) -> object:
    for iterator in iterators:
        yield from iterator  # type: ignore[misc]  # made of iterators


@pytest.mark.parametrize("fails_at", [1, 5, 10, 11, 12])
def test_conversion_survives_a_store_that_fails(tmp_path: Path, folder: Path, fails_at: int) -> None:
    store = BlocksBesideTempo(FailingStore(LocalStore(tmp_path), fails_at))
    block = store.tempo_blocks(TENANT).blocks[folder.name]
    with pytest.raises(StoreUnavailable):
        list(store.convert(TENANT, block))
    assert spans_of(BlocksBesideTempo(LocalStore(tmp_path)).snapshot(TENANT)) == by_id(SENT)
    again = BlocksBesideTempo(LocalStore(tmp_path))
    list(again.convert(TENANT, again.tempo_blocks(TENANT).blocks[folder.name]))
    assert spans_of(again.snapshot(TENANT)) == by_id(SENT)
    assert {type(source) for source in again.snapshot(TENANT).blocks} == {Block}
