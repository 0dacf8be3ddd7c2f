"""Metrics agree with plain Python, however the spans are laid out: live chunks, blocks, split traces."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Iterator, Sequence
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from storage.block_store import BlockStore
from storage.columns import ScanSource
from storage.objects import open_store
from tempo_dask.engine.engine import Engine
from tempo_dask.engine.local import LocalExecutor
from tempo_dask.engine.requests import RangeRequest
from tempo_dask.engine.results import RangeResult
from tempo_dask.errors import BadRequest
from tempo_dask.physical import cells
from tempo_dask.plan.refused import require_planned
from tests import oracle_metrics
from tests.engine.queries import spansets
from tests.engine.recorded import TENANT, Fixed, chunk_of
from tests.engine.spans import START_NS, request_of, spans
from tests.oracle_metrics import Answer, Steps
from tests.oracle_spans import Span
from tests.oracle_values import EvaluationError
from traceql import TraceQLError, parse, require_valid

TENANTS = itertools.count()

by = st.sampled_from(
    ["", "by(name)", "by(.a)", "by(span.a, resource.b)", "by(resource.service.name, status)", "by(kind, span.b)"]
)
operand = st.sampled_from(["duration", "span.a", ".b", "resource.a", "span:childCount", "traceDuration"])
function = st.one_of(
    st.sampled_from(["rate()", "count_over_time()"]),
    st.builds("{}_over_time({})".format, st.sampled_from(["min", "max", "sum", "avg", "histogram"]), operand),
    st.builds("quantile_over_time({}, {})".format, operand, st.sampled_from([".5", "0, .9, 1", ".01"])),
)
second = st.sampled_from(["", "| topk(1)", "| bottomk(2)", "> 0", "| topk(3) | bottomk(1)", "!= 1"])
metrics = st.builds("{} | {} {} {}".format, spansets, function, by, second)
grouped = st.sampled_from(["", "by(name)", "by(resource.service.name)"])
arithmetic = st.builds(
    "({0} | {2} {5}) {4} ({1} | {3} {5})".format,
    spansets,
    spansets,
    st.sampled_from(["rate()", "sum_over_time(duration)"]),
    st.sampled_from(["rate()", "count_over_time()"]),
    st.sampled_from(list("+-*/")),
    grouped,
)


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    found = LocalExecutor(2)
    yield found
    found.close()


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> BlockStore:
    return BlockStore(open_store(str(tmp_path_factory.mktemp("blocks"))))


def layout(data: st.DataObject, found: Sequence[Span], blocks: BlockStore) -> list[ScanSource]:
    """Lay spans out over live chunks of small units, and sometimes a block."""
    places = [data.draw(st.integers(0, 2)) for _ in found]
    parts = ([span for span, place in zip(found, places, strict=True) if place == n] for n in range(3))
    chunks = [chunk_of([request_of(part)], "measured", unit_spans=4) for part in parts if part]
    if not data.draw(st.integers(0, 3)):
        tenant = f"tenant-{next(TENANTS)}"
        blocks.publish(tenant, [chunks[0]], node="node", first_seq=1, last_seq=1, arrived_ns=(0, 0))
        return [*blocks.snapshot(tenant).blocks, *chunks[1:]]
    return [*chunks]


def ask(executor: LocalExecutor, sources: Sequence[ScanSource], query: str, steps: Steps) -> RangeResult:
    end_ns = steps.start_ns + steps.count * steps.step_ns
    request = RangeRequest(TENANT, query, steps.start_ns, end_ns, steps.step_ns)
    return asyncio.run(Engine(Fixed(*sources), executor).query_range(request))


def require_close(result: RangeResult, wanted: Answer, rel: float) -> None:
    """Hold series against those of the same labels, of which there may be several, since arrays are all `nil`."""
    assert [repr(series.labels) for series in result.series] == [repr(labels) for labels, _ in wanted]
    left = [
        (repr(labels), [math.nan if sample is None else sample for sample in samples]) for labels, samples in wanted
    ]
    for series in result.series:
        same = [samples for labels, samples in left if labels == repr(series.labels)]
        close = (one for one in same if list(series.values) == pytest.approx(one, rel=rel, abs=1e-12, nan_ok=True))
        found = next(close, None)
        assert found is not None, (series.labels, list(series.values), same)
        left.remove((repr(series.labels), found))
    assert not left


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(found=spans(), query=metrics | arithmetic, data=st.data(), step_ns=st.sampled_from([7, 10, 60]))
def test_metrics_agree_with_the_oracle(
    executor: LocalExecutor, blocks: BlockStore, found: list[Span], query: str, data: st.DataObject, step_ns: int
) -> None:
    steps = Steps(START_NS - 3, step_ns, 5)
    try:
        require_valid(parse(query))
        require_planned(parse(query))
        wanted = oracle_metrics.series(parse(query), found, steps)
    except (TraceQLError, EvaluationError, BadRequest):
        assume(False)
    with patch.object(cells, "DENSE_NUMBERS", data.draw(st.sampled_from([cells.DENSE_NUMBERS, 6]))):
        result = ask(executor, layout(data, found, blocks), query, steps)
    require_close(result, wanted, 1e-9)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(found=spans(), data=st.data(), grouping=by, of=st.sampled_from([".b", "duration", "span.a"]))
def test_exact_quantiles_are_within_one_percent(
    executor: LocalExecutor, blocks: BlockStore, found: list[Span], data: st.DataObject, grouping: str, of: str
) -> None:
    steps = Steps(START_NS - 3, 10, 5)
    query = f"{{ }} | quantile_over_time({of}, .01, .5, 1) {grouping} with (exact=true)"
    result = ask(executor, layout(data, found, blocks), query, steps)
    ranked = oracle_metrics.ranked(parse(query), found, steps)
    require_close(result, ranked, 0.01)
