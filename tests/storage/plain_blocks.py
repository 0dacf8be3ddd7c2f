"""Blocks of the simplest kind: spans are names, a block is two files with the names in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import google_crc32c
import orjson
import pyarrow as pa

from storage.block.files import BlockFiles
from storage.block.meta import DESCRIPTION, BlockMeta, FileMeta
from storage.block.writer import EncodedBlock, Origin
from storage.columns import SourceMeta

NAMES = "names.json"


@dataclass(frozen=True)
class PlainBlock:
    """An open block."""

    meta: SourceMeta
    names: tuple[str, ...]


def plain_sources(names: Sequence[str]) -> list[PlainBlock]:
    """Return a source with a span for each name."""
    return [PlainBlock(_meta("", "", names), tuple(names))]


class PlainFormat:
    """Encodes and opens them; names of spans that are numbers are their times."""

    def write(self, sources: Sequence[PlainBlock], origin: Origin, *, without: object = None) -> EncodedBlock:
        assert without is None
        names = list(dict.fromkeys(name for source in sources for name in source.names))
        data = orjson.dumps(names)
        meta = BlockMeta(
            source=_meta(origin.id, origin.tenant, names),
            node=origin.node,
            first_seq=origin.first_seq,
            last_seq=origin.last_seq,
            arrived_ns=origin.arrived_ns,
            rows={"spans": len(names), "traces": len(names)},
            files={NAMES: FileMeta(len(data), google_crc32c.value(data))},
            page_rows=0,
        )
        return EncodedBlock({NAMES: pa.py_buffer(data), DESCRIPTION: meta.encode()}, meta)

    def open(self, files: BlockFiles, listed: object = None) -> PlainBlock:
        meta = BlockMeta.decode(files.read_range(DESCRIPTION, 0, files.size(DESCRIPTION)))
        data = files.read_range(NAMES, 0, meta.files[NAMES].size)
        if google_crc32c.value(data) != meta.files[NAMES].crc32c:
            msg = f"{NAMES} has a wrong checksum"
            raise ValueError(msg)
        return PlainBlock(meta.source, tuple(orjson.loads(data)))


def _meta(block_id: str, tenant: str, names: Sequence[str]) -> SourceMeta:
    times = [int(name) for name in names if name.isdecimal()]
    return SourceMeta(
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
