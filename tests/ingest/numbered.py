"""Requests whose spans are numbered, so that a test can say which of them it sees, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from storage.chunk import Chunk
from storage.columns import ScanSource, SpanTables
from storage.hidden import NOTHING_HIDDEN, HiddenTraces
from storage.merge import merge

START_NS = 1_700_000_000_000_000_000


def body(numbers: Iterable[int], spans_per_trace: int = 3) -> bytes:
    """Return a request with one span for each number; neighbouring numbers share a trace."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in numbers:
        span = spans.add(name=f"op-{number % 7}", start_time_unix_nano=START_NS + number)
        span.end_time_unix_nano = span.start_time_unix_nano + 1000
        span.trace_id = (number // spans_per_trace + 1).to_bytes(16, "big")
        span.span_id = (number + 1).to_bytes(8, "big")
        span.attributes.add(key="number").value.int_value = number
    return request.SerializeToString()


def numbers(tables: SpanTables) -> list[int]:
    """Return the numbers of all spans, ascending."""
    return sorted(int.from_bytes(span_id, "big") - 1 for span_id in tables.spans.column("span_id").to_pylist())


def numbers_in(sources: Iterable[ScanSource]) -> list[int]:
    """Return the numbers of all spans in all sources, ascending; one that lies in two stands twice."""
    return sorted(
        number for source in sources for number in numbers(source.take_traces(range(source.meta.trace_count)))
    )


@dataclass(frozen=True)
class FakeBlockList:
    blocks: tuple[ScanSource, ...] = ()
    flushed: dict[str, int] = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)
    hidden: HiddenTraces = NOTHING_HIDDEN


@dataclass
class FakeBlocks:
    """A block store in memory; the next publications may be told to fail, before or after they count."""

    lists: dict[str, FakeBlockList] = field(default_factory=dict)
    fail_before: int = 0
    fail_after: int = 0
    published: list[tuple[str, int, int]] = field(default_factory=list)

    def snapshot(self, tenant: str) -> FakeBlockList:
        return self.lists.get(tenant, FakeBlockList())

    def block_list(self, tenant: str) -> FakeBlockList:
        return self.lists.get(tenant, FakeBlockList())

    def publish(
        self,
        tenant: str,
        sources: Sequence[Chunk],
        *,
        node: str,
        first_seq: int,
        last_seq: int,
        arrived_ns: tuple[int, int],
    ) -> None:
        if self.fail_before:
            self.fail_before -= 1
            raise OSError("the store is away")
        old = self.snapshot(tenant)
        block = Chunk.seal(merge([chunk.tables for chunk in sources]), id=f"block-{first_seq}", tenant=tenant)
        self.lists[tenant] = FakeBlockList((*old.blocks, block), {**old.flushed, node: last_seq})
        self.published.append((tenant, first_seq, last_seq))
        if self.fail_after:
            self.fail_after -= 1
            raise OSError("the answer was lost")


class FakeLog:
    """A log in memory that counts its groups; it may be slow, and the next groups may be told to fail."""

    def __init__(self) -> None:
        self.groups: list[Sequence[tuple[str, bytes]]] = []
        self.fail = 0
        self.seq = 0
        self.released = 0

    def append(self, records: Sequence[tuple[str, bytes]], *, arrived_ns: int) -> range:
        if self.fail:
            self.fail -= 1
            raise OSError(28, "No space left on device")
        self.groups.append(records)
        self.seq += len(records)
        return range(self.seq - len(records) + 1, self.seq + 1)

    def release(self, flushed: int) -> None:
        self.released = max(self.released, flushed)
