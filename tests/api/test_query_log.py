"""Each query leaves one line of the log, other requests leave none."""

from __future__ import annotations

import logging

import pytest

from tempo_dask.engine.results import QueryMetrics, SearchResult
from tempo_dask.logs import Logfmt
from tests.api.conftest import Served, serving
from tests.api.fakes import FakeEngine

LOGGER = "tempo_dask.api.query_log"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [Logfmt().format(record) for record in caplog.records if record.name == LOGGER]


async def test_a_line_for_each_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    found = SearchResult((), QueryMetrics(inspected_bytes=123, inspected_traces=4))
    async with serving(Served(engine=FakeEngine(found=found))) as served:
        size = len((await served.fetch("/api/search?q=%7B%7D")).body)
        await served.fetch("/api/search?q=%7B")
    first, second = lines(caplog)
    told = 'tenant=single-tenant method=GET path="/api/search?q=%7B%7D" route=api_search status=200'
    assert told in first
    assert f"response_size={size} inspected_bytes=123 inspected_traces=4" in first
    assert "status=400" in second


async def test_other_requests_leave_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    async with serving(Served()) as served:
        for path in ("/ready", "/metrics", "/api/echo", "/nothing"):
            await served.fetch(path)
    assert lines(caplog) == []
