"""Recorded traces as live chunks, and questions asked of an engine over any sources."""

from __future__ import annotations

import gzip
import itertools
import lzma
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from storage.chunk import Chunk
from storage.columns import ScanSource
from storage.merge import merge
from tempo_dask.kernels.otlp import decode

TENANT = "tenant"


def records(path: Path) -> list[bytes]:
    """Return the OTLP requests of a recorded file."""
    raw = gzip.decompress(path.read_bytes())
    found = []
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        found.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return found


_NUMBERS = itertools.count()


def chunk_of(bodies: Sequence[bytes], name: str = "chunk", unit_spans: int = 262_144) -> Chunk:
    """Return requests as one chunk, of an id that no other has: equal ids mean equal rows, to caches too."""
    return Chunk.seal(merge([decode(bodies)]), id=f"{name}-{next(_NUMBERS)}", tenant=TENANT, unit_spans=unit_spans)


def recorded_cases(shared: Path, *groups: str) -> Iterator[dict[str, Any]]:
    """Yield the recorded answers of these groups, each with its number."""
    with lzma.open(shared / "conformance" / "golden.jsonl.xz") as lines:
        for number, line in enumerate(lines):
            case = orjson.loads(line)
            if case["group"].startswith(groups):
                yield {"id": number, **case}  # recorded cases bring their own number


class Fixed:
    """A snapshot provider over sources that do not change."""

    def __init__(self, *sources: ScanSource) -> None:
        self.sources = sources

    async def snapshot(self, tenant: str) -> tuple[ScanSource, ...]:
        """Return the sources of the one tenant."""
        return self.sources if tenant == TENANT else ()

    def set_aside(self, _tenant: str) -> Mapping[str, str]:
        """Return no block: all can be opened."""
        return {}
