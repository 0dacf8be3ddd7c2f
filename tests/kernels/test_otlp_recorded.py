"""Recorded traces decode to what upb reads of them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tempo_dask.kernels import otlp
from tests.otlp_oracle import read_requests, requests_to_spans, tables_to_spans

QUICK = ("conformance/traces.rec.gz", "data/small.otlp.pb.gz", "data/essvt.otlp.pb.gz")
LARGE = (
    "astronomy-shop",
    "deathstar-hotel",
    "deathstar-media",
    "hipster-shop",
    "node-chain",
    "train-ticket-1",
    "train-ticket-2",
)


def assert_decodes(path: Path) -> None:
    bodies = read_requests(gzip.decompress(path.read_bytes()))
    verdicts = otlp.check(bodies)
    assert {verdict.error for verdict in verdicts} == {None}
    tables = otlp.decode(bodies)
    assert sum(verdict.spans for verdict in verdicts) == tables.spans.num_rows > 0
    assert tables_to_spans(tables) == requests_to_spans(bodies)


@pytest.mark.parametrize("name", QUICK)
def test_a_recording_decodes_to_what_was_sent(shared: Path, name: str) -> None:
    assert_decodes(shared / name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_large_recording_decodes_to_what_was_sent(shared: Path, name: str) -> None:
    assert_decodes(shared / "data" / f"{name}.otlp.pb.gz")


def test_requests_decode_alike_one_by_one_and_as_a_group(shared: Path) -> None:
    bodies = read_requests(gzip.decompress((shared / QUICK[2]).read_bytes()))
    one_by_one = [span for body in bodies for span in tables_to_spans(otlp.decode([body]))]
    assert one_by_one == tables_to_spans(otlp.decode(bodies))
