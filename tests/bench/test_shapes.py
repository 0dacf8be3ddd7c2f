"""The suite is TraceQL as Tempo documents it, under names of its own; so are questions from a file."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tempo_dask.bench.shapes import METRICS, SEARCHES, SUITE, Kind, Shape, Window, kind_of, read_shapes
from tempo_dask.errors import BadRequest
from traceql import parse, require_valid

WINDOW = Window(1_000, 4_600)


@pytest.mark.parametrize("shape", [*SEARCHES.values(), *METRICS.values()], ids=lambda shape: shape.name)
def test_every_query_is_valid_and_of_its_kind(shape: Shape) -> None:
    query = parse(shape.query)
    require_valid(query)
    assert kind_of(shape.query) == shape.kind
    assert query.hints == (), "hints are not the same everywhere"


def test_names_are_unique() -> None:
    assert len({shape.name for shape in SUITE}) == len(SUITE)


@pytest.mark.parametrize(
    ("shape", "path", "parameters"),
    [
        (SEARCHES["status"], "/api/search", {"q": "{ status = error }", "limit": "20"}),
        (METRICS["rate"], "/api/metrics/query_range", {"q": "{ } | rate()", "step": "60s"}),
        (Shape("names", Kind.NAMES, ""), "/api/v2/search/tags", {}),
        (Shape("values", Kind.VALUES, "span.a b"), "/api/v2/search/tag/span.a%20b/values", {}),
        (Shape("trace", Kind.TRACE, "00ff"), "/api/v2/traces/00ff", {}),
    ],
)
def test_paths_are_those_of_tempos_api(shape: Shape, path: str, parameters: dict[str, str]) -> None:
    asked = urlsplit(shape.path(WINDOW))
    assert asked.path == path
    assert {name: values[0] for name, values in parse_qs(asked.query).items()} == {
        **parameters,
        "start": "1000",
        "end": "4600",
    }


def test_questions_from_a_file() -> None:
    lines = ["# mine", "", 'slow: { duration > 2s && name = "a: b" }', "rate: { } | rate()"]
    assert read_shapes(lines) == (
        Shape("slow", Kind.SEARCH, '{ duration > 2s && name = "a: b" }'),
        Shape("rate", Kind.METRICS, "{ } | rate()"),
    )


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "found none"),
        (["{ }"], "expected `NAME: TRACEQL`"),
        (["a: {"], "a line|unexpected|expected"),
        (["a: { }", "a: { }"], "the same name"),
    ],
)
def test_a_file_that_holds_none_is_refused(lines: list[str], complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        read_shapes(lines)


def test_a_window_has_a_length() -> None:
    assert Window(0, 10).step_s == 1
    with pytest.raises(BadRequest):
        Window(5, 5)
