"""What a store opened in a notebook gives."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pandas as pd
import pyarrow as pa
import pytest

from tempo_dask import Store, open_store
from tempo_dask.errors import BadRequest, NotFound
from tests.notebook.conftest import END_NS
from traceql import ParseError

END = datetime.fromtimestamp(END_NS // 10**9, UTC)


def test_columns_are_read_as_named(store: Store) -> None:
    frame = store.spans("{ kind = server }", columns=["span.http.response.status_code::int", "duration_ns", "name"])
    assert list(frame.columns) == ["duration_ns", "span.http.response.status_code::int", "name"]
    found = frame.compute()
    assert found.dtypes.iloc[1] == pd.ArrowDtype(pa.int64())
    assert len(found) == len(store.spans("{ kind = server }").compute())


def test_a_type_that_no_value_has_gives_nulls(store: Store) -> None:
    found = store.spans(columns=["resource.service.name::float", "resource.service.name"]).compute()
    assert found["resource.service.name::float"].isna().all()
    assert found["resource.service.name"].notna().all()


def test_a_column_that_is_no_attribute_is_refused(store: Store) -> None:
    with pytest.raises(ParseError):
        store.spans(columns=["not an attribute"])


def test_a_search_is_a_table_newest_first(store: Store) -> None:
    found = store.search("{ status = error }", limit=10)
    assert len(found) == 10
    assert found["start"].is_monotonic_decreasing
    assert (found["spans"] >= found["matched"]).all()
    assert (found["errors"] > 0).all()


def test_metrics_are_an_array_with_labels(store: Store) -> None:
    found = store.metrics("{ } | count_over_time() by (resource.service.name)", step=timedelta(minutes=5))
    assert found.dims == ("series", "time")
    assert int(found.sum()) == len(store.spans().compute())
    assert "frontend" in found.coords["resource.service.name"].to_numpy().tolist()
    assert found.T.to_pandas().shape == found.T.shape


def test_a_window_without_time_is_refused(store: Store) -> None:
    with pytest.raises(BadRequest, match="after its start"):
        store.metrics("{ } | rate()", start=END, end=END - timedelta(hours=1))


def test_compare_counts_both_sides(store: Store) -> None:
    found = store.compare("{ status = error }", "{ kind = server }")
    spans = store.spans("{ kind = server }").compute()
    errors = spans[spans["status"] == "error"]
    for service, count in errors["resource.service.name"].value_counts().head(3).items():
        row = found[(found["attribute"] == "resource.service.name") & (found["value"] == service)]
        assert row["selection"].tolist() == [count]
    assert found["difference"].abs().is_monotonic_decreasing


def test_a_trace_draws_all_its_spans(store: Store) -> None:
    newest = store.search(limit=1).iloc[0]
    trace = store.trace(newest["trace_id"])
    assert len(trace) == newest["spans"]
    assert trace.duration_ns == newest["duration"].value
    drawing = ET.fromstring(trace.svg())
    assert len(drawing.findall("{http://www.w3.org/2000/svg}g")) == len(trace)
    frame = trace.to_pandas()
    parents = dict(zip(frame["span_id"], frame["depth"], strict=True))
    inner = frame[frame["parent_span_id"].isin(list(parents))]
    assert (inner["depth"] == inner["parent_span_id"].map(parents) + 1).all()
    assert trace._repr_html_().startswith("<div")
    assert newest["trace_id"] in repr(trace)


def test_an_unknown_trace_is_said(store: Store) -> None:
    with pytest.raises(NotFound, match="no trace abc"):
        store.trace("abc")


def test_questions_inside_an_event_loop(store: Store) -> None:
    async def cell() -> int:
        return len(store.search(limit=3))

    assert asyncio.run(cell()) == 3


def test_tags_and_explain(store: Store) -> None:
    assert "service.name" in store.tags()["resource"]
    assert store.explain("{ status = error }").traces > 0


def test_times_are_datetimes_or_texts(store: Store) -> None:
    by_text = store.search(start="2026-01-01", end=END.isoformat(), limit=5)
    assert by_text.equals(store.search(start=datetime(2026, 1, 1, tzinfo=UTC), end=END, limit=5))
    with pytest.raises(BadRequest, match="'yesterday' is no time: expected"):
        store.search(start="yesterday")


def test_what_is_no_id_and_no_folder_is_said(store: Store) -> None:
    with pytest.raises(BadRequest, match="'zz' is no trace id: expected up to 32 hexadecimal digits"):
        store.trace("zz")
    with pytest.raises(BadRequest, match=r'is a server: ask it with connect\("http://127.0.0.1:3200"\)'):
        open_store("http://127.0.0.1:3200")
