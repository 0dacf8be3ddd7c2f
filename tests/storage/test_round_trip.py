"""What was sent comes back field by field: live, from a block, after compaction, from Tempo's block, and converted."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.local_objects import LocalStore
from storage.merge import merge
from storage.tempo_blocks.beside import BlocksBesideTempo
from tests.otlp_oracle import Span, by_id, tables_to_spans
from tests.storage.builder import tables_of
from tests.storage.strategies import spans
from tests.storage.tempo_writer import TENANT, bare, write_block


def spans_of(sources: Iterable[ScanSource]) -> list[Span]:
    tables = [source.take_traces(range(source.meta.trace_count)) for source in sources]
    return by_id(span for each in tables for span in tables_to_spans(each))


@settings(deadline=None, max_examples=8)
@given(st.lists(spans, min_size=1, max_size=6), st.lists(spans, min_size=1, max_size=6))
def test_live_blocks_and_compaction(first: list[Span], second: list[Span]) -> None:
    """Spans that came twice stand once after compaction at the latest."""
    chunks = [Chunk.seal(merge([tables_of(sent)]), id=str(uuid.uuid4()), tenant=TENANT) for sent in (first, second)]
    assert [spans_of([chunk]) for chunk in chunks] == [by_id(set(first)), by_id(set(second))]
    with tempfile.TemporaryDirectory() as root:
        store = BlocksBesideTempo(LocalStore(Path(root)))
        for seq, chunk in enumerate(chunks, 1):
            store.publish(TENANT, [chunk], node="n", first_seq=seq, last_seq=seq, arrived_ns=(seq, seq))
        assert spans_of(store.snapshot(TENANT).blocks) == by_id([*set(first), *set(second)])
        store.replace(TENANT, list(store.block_list(TENANT).blocks))
        assert spans_of(store.snapshot(TENANT).blocks) == by_id({*first, *second})


@settings(deadline=None, max_examples=8)
@given(st.lists(spans, min_size=1, max_size=8), st.sampled_from(["vParquet3", "vParquet4", "vParquet5"]))
def test_tempos_block_in_place_and_converted(sent: list[Span], format_name: str) -> None:
    expected = by_id({bare(span, format_name) for span in sent})
    with tempfile.TemporaryDirectory() as root:
        write_block(Path(root) / TENANT / str(uuid.uuid4()), sent, format_name, row_group_size=2)
        store = BlocksBesideTempo(LocalStore(Path(root)))
        assert spans_of(store.snapshot(TENANT).blocks) == expected
        [block] = store.tempo_blocks(TENANT).blocks.values()
        list(store.convert(TENANT, block))
        assert spans_of(store.snapshot(TENANT).blocks) == expected
        ids = list(store.block_list(TENANT).blocks)
        if len(ids) > 1:
            store.replace(TENANT, ids)
        assert spans_of(store.snapshot(TENANT).blocks) == expected
