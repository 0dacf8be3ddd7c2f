"""Recorded requests: what Tempo took parses and validates, what it refused is refused in its words."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from traceql import TraceQLError, matchers_of, parse, parse_attribute, require_valid, simplify

PREFIXES = (
    "invalid TraceQL query: ",
    "compiling query: ",
    "please provide a valid tagName: failed to parse identifier ",
)
QUERY_PATHS = ("/api/search", "/api/metrics/query_range", "/api/metrics/query")


@cache
def cases(shared: Path) -> list[dict[str, Any]]:
    """All recorded requests; of the bodies only the error texts."""
    folder = shared / "conformance"
    with lzma.open(folder / "golden.jsonl.xz", "rt") as golden, (folder / "examples.jsonl").open() as examples:
        return [_without_answer(line) for lines in (golden, examples) for line in lines]


def _without_answer(line: str) -> dict[str, Any]:
    """A recorded request; what was answered (which is long) only where it is a text."""
    request, _, _ = line.partition(', "content_type"')
    is_answered = '"status": 200' in request
    case: dict[str, Any] = json.loads(request + "}" if is_answered and request != line else line)
    return {**case, "body": case["body"] if isinstance(case.get("body"), str) else ""}


def queries(shared: Path) -> Iterator[tuple[dict[str, Any], str]]:
    for case in cases(shared):
        text = case["params"].get("q", case["params"].get("query"))
        if case["path"] in QUERY_PATHS and text is not None:
            yield case, text


def said(text: str) -> str | None:
    """What we refuse the query with."""
    try:
        query = parse(text)
        require_valid(query)
    except TraceQLError as error:
        return str(error)
    simplify(query)
    return None


def about_the_query(body: str) -> bool:
    return body.startswith((*PREFIXES, "parse error"))


def test_what_tempo_took_is_taken(shared: Path) -> None:
    taken = [text for case, text in queries(shared) if case["status"] == 200 and text]
    assert len(taken) > 400
    assert {text: said(text) for text in taken if said(text)} == {}


def test_what_tempo_refused_is_refused_in_its_words(shared: Path) -> None:
    refused = [(case["body"].strip(), text) for case, text in queries(shared) if case["status"] == 400]
    wrong = [
        (text, body, said(text))
        for body, text in refused
        if about_the_query(body) and said(text) != body.removeprefix(PREFIXES[0]).removeprefix(PREFIXES[1])
    ]
    assert sum(about_the_query(body) for body, _ in refused) > 90
    assert wrong == []


def test_tag_names_are_refused_in_its_words(shared: Path) -> None:
    seen = 0
    for case in cases(shared):
        body = case["body"]
        if case["status"] == 400 and body.startswith(PREFIXES[2]):
            name, _, message = body.removeprefix(PREFIXES[2]).partition(": ")
            with pytest.raises(TraceQLError) as caught:
                parse_attribute(name)
            assert str(caught.value) == message
            seen += 1
    assert seen >= 3


def test_tag_names_that_are_known_are_read(shared: Path) -> None:
    for case in cases(shared):
        if case.get("group") == "tagvalues.v2" and case["status"] == 200:
            parse_attribute(unquote(case["path"]).removeprefix("/api/v2/search/tag/").removesuffix("/values"))


def test_filters_of_tag_requests(shared: Path) -> None:
    tag_cases = (case for case in cases(shared) if case.get("group", "").startswith("tag"))
    texts = {case["params"]["q"] for case in tag_cases if "q" in case["params"]}
    kept = {text for text in texts if matchers_of(text).conditions}
    assert kept == {
        '{ resource.service.name = "db-proxy" }',
        "{ span.retry = true && status = error }",
        "{ duration > 1s }",
        '{ resource.service.name =~ "c.*" }',
        '{ resource.service.name = "cart" }',
        "{ status = error }",
    }
