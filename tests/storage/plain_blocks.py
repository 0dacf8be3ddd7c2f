"""Blocks of the simplest kind: spans are names, a block is two files with the names in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import google_crc32c
import orjson
import pyarrow as pa

from storage.block.files import BlockFiles
from storage.block.meta import DESCRIPTION, BlockMeta, FileMeta
from storage.block.writer import EncodedBlock
from storage.columns import SourceMeta, SpanTables

EMPTY = pa.table({})
NAMES = "names.json"


def plain_tables(names: Sequence[str]) -> SpanTables:
    """Return tables with a span for each name."""
    return SpanTables(pa.table({"name": pa.array(list(names), pa.string())}), EMPTY, EMPTY, EMPTY, EMPTY)


@dataclass(frozen=True)
class PlainBlock:
    """An open block."""

    meta: SourceMeta
    names: tuple[str, ...]


class PlainFormat:
    """Encodes and opens them; names of spans that are numbers are their times."""

    def write(
        self,
        tables: SpanTables,
        *,
        block_id: str,
        tenant: str,
        node: str,
        first_seq: int,
        last_seq: int,
        arrived_ns: int,
    ) -> EncodedBlock:
        names = tables.spans.column("name").to_pylist()
        times = [int(name) for name in names if name.isdecimal()]
        data = orjson.dumps(names)
        source = SourceMeta(
            id=block_id,
            tenant=tenant,
            span_count=len(names),
            trace_count=len(names),
            start_ns=min(times, default=0),
            end_ns=max(times, default=0),
            units=(),
            columns={},
            rest_keys={},
        )
        meta = BlockMeta(
            source=source,
            node=node,
            first_seq=first_seq,
            last_seq=last_seq,
            arrived_ns=(arrived_ns, arrived_ns),
            rows={"spans": len(names), "traces": len(names)},
            files={NAMES: FileMeta(len(data), google_crc32c.value(data))},
            page_rows=0,
        )
        return EncodedBlock({NAMES: pa.py_buffer(data), DESCRIPTION: meta.encode()}, meta)

    def open(self, files: BlockFiles) -> PlainBlock:
        meta = BlockMeta.decode(files.read_range(DESCRIPTION, 0, files.size(DESCRIPTION)))
        data = files.read_range(NAMES, 0, meta.files[NAMES].size)
        if google_crc32c.value(data) != meta.files[NAMES].crc32c:
            msg = f"{NAMES} has a wrong checksum"
            raise ValueError(msg)
        return PlainBlock(meta.source, tuple(orjson.loads(data)))
