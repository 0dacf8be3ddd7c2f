"""Chunks are merged so that a query meets few of them, and each span is merged seldom."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from tempo_dask.ingest.merging import FAN_IN, GROWTH, LARGEST_SPANS, mergeable_run


@dataclass(frozen=True, eq=False)
class FakeChunk:
    spans: int

    @property
    def tables(self) -> SimpleNamespace:
        return SimpleNamespace(spans=SimpleNamespace(num_rows=self.spans))


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=300))
def test_merging_leaves_few_chunks_and_touches_a_span_seldom(sizes: list[int]) -> None:
    chunks: list[FakeChunk] = []
    merged_spans = 0
    for size in sizes:
        chunks.append(FakeChunk(size))
        while run := mergeable_run(chunks):
            assert len(run) >= FAN_IN
            assert sum(chunk.spans for chunk in run) >= GROWTH * max(chunk.spans for chunk in run)
            at = chunks.index(run[0])
            assert chunks[at : at + len(run)] == list(run)
            chunks[at : at + len(run)] = [FakeChunk(sum(chunk.spans for chunk in run))]
            merged_spans += sum(chunk.spans for chunk in run)
    small = [chunk for chunk in chunks if chunk.spans < LARGEST_SPANS]
    assert sum(chunk.spans for chunk in chunks) == sum(sizes)
    assert len(small) <= 60
    assert merged_spans <= 4 * sum(sizes)


def test_large_chunks_are_left_alone() -> None:
    assert mergeable_run([FakeChunk(LARGEST_SPANS)] * 50) == ()
    assert mergeable_run([FakeChunk(1)] * 7) == ()
    assert mergeable_run([FakeChunk(1)] * 4 + [FakeChunk(LARGEST_SPANS)] + [FakeChunk(1)] * 4) == ()


def test_a_chunk_is_not_copied_for_a_few_small_ones() -> None:
    """Once eight batches are one chunk, it waits for others of its size."""
    batch, eight = FakeChunk(4000), FakeChunk(32_000)
    assert len(mergeable_run([batch] * 8)) == 8
    assert mergeable_run([eight] + [batch] * 7) == ()
    assert len(mergeable_run([eight] * 8)) == 8
