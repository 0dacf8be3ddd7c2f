"""Recorded traces as tables."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from storage.columns import SpanTables
from storage.merge import merge
from tempo_dask.kernels.otlp import decode
from tests.otlp_oracle import read_requests


def recorded_requests(shared: Path, name: str) -> list[bytes]:
    """Return the request bodies of a recorded file such as `small`."""
    return list(read_requests(gzip.decompress((shared / "data" / f"{name}.otlp.pb.gz").read_bytes())))


@cache
def recorded_tables(shared: Path, name: str) -> SpanTables:
    """Return the sorted spans of a recorded file."""
    return merge([decode(recorded_requests(shared, name))])
