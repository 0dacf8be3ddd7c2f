"""Every example of docs/reading-blocks.md runs, on blocks that hold all that it speaks of."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.block_store import BlockStore
from storage.chunk import Chunk
from storage.local_objects import LocalStore
from storage.merge import merge
from tests.otlp_oracle import Resource, Span, Value
from tests.storage.builder import SPAN, tables_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "reading-blocks.md"
TENANT = "single-tenant"
WANTED = "0af7651916cd43dd8448eb211c80319c"
MINUTE_NS = 60 * 10**9


def span(number: int, service: str, *attributes: tuple[str, Value], **fields: Any) -> Span:
    trace_id = bytes.fromhex(WANTED) if number == 3 else bytes(15) + bytes([number])
    start = 28_333_333 * MINUTE_NS + number * MINUTE_NS // 3
    return replace(
        SPAN,
        trace_id=trace_id,
        span_id=bytes(7) + bytes([number]),
        start=start,
        end=start + number * 10**9,
        kind=2,
        name=f"GET /{number}",
        resource=Resource((("service.name", ("str", service)),)),
        attributes=tuple(sorted(attributes, key=repr)),
        **fields,
    )


#: Two blocks with different columns, keys of several types, and values that stand in `rest`: the second ones of a key,
#: and those of a key that is too rare for a column.
BLOCKS = (
    (
        span(1, "shop", ("http.method", ("str", "GET"))),
        span(2, "cart", ("http.method", ("str", "PUT")), ("http.method", ("str", "again")), ("size", ("int", 3))),
        span(3, "shop", ("size", ("float", "3ff8000000000000")), status=2),
    ),
    (
        span(4, "cart", ("http.method", ("str", "GET")), ("size", ("str", "big"))),
        span(5, "shop", ("blob", ("bytes", b"xyz"))),
        span(6, "cart", ("tags", ("array", ("str", "x"), ("str", "y"))), status=2),
    ),
)

COLUMNS = (
    None,
    {
        "spans": {"span.size::str"},
        "resources": {"resource.service.name::str"},
        "scopes": set[str](),
        "events": set[str](),
        "links": set[str](),
    },
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tenant's folder, as the current one. Of the second block's spans one attribute has a column."""
    store = BlockStore(LocalStore(tmp_path))
    for seq, spans in enumerate(BLOCKS, 1):
        chunk = Chunk.seal(merge([tables_of(spans)], COLUMNS[seq - 1]), id=str(seq), tenant=TENANT)
        store.publish(TENANT, [chunk], node="n", first_seq=seq, last_seq=seq, arrived_ns=(1, 1))
    monkeypatch.chdir(tmp_path / TENANT)
    return tmp_path / TENANT


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def names(folder: Path) -> dict[str, Any]:
    """What the examples in Python leave behind."""
    pytest.importorskip("polars")
    found: dict[str, Any] = {}
    for example in examples("python"):
        exec(compile(example, str(DOCUMENT), "exec"), found)
    return found


def methods() -> Counter[str | None]:
    """Return the first value of `http.method` of each span, counted."""
    firsts = [dict(reversed(span.attributes)).get("http.method") for block in BLOCKS for span in block]
    return Counter(None if value is None else value[1] for value in firsts)


def error_rates() -> dict[tuple[str, int], float]:
    """Return the part of errors by service and minute, in nanoseconds."""
    groups: dict[tuple[str, int], list[bool]] = {}
    for span in (span for block in BLOCKS for span in block):
        groups.setdefault((service_of(span), span.start // MINUTE_NS * MINUTE_NS), []).append(span.status == 2)
    return {group: sum(errors) / len(errors) for group, errors in groups.items()}


def service_of(span: Span) -> str:
    return str(span.resource.attributes[0][1][1])


def test_python(names: dict[str, Any]) -> None:
    slowest = names["slowest"].to_pylist()
    assert [(row["name"], row["service"]) for row in slowest] == [
        ("GET /6", "cart"),
        ("GET /5", "shop"),
        ("GET /4", "cart"),
    ]
    [trace] = names["found"]
    assert trace["name"].to_pylist() == ["GET /3"]
    errors = {(service, start.value): rate for (service, start), rate in names["errors"].items()}
    assert errors == error_rates()
    assert dict(names["methods"].iter_rows()) == methods()


def test_duckdb(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    results = [connection.execute(statement).fetchall() for statement in examples("sql")]
    assert results[1] == [("cart", 3), ("shop", 2)]
    assert dict(results[3]) == methods()
    passed = [span for block in BLOCKS for span in block if service_of(span) == "cart"]
    assert results[4] == [(span.trace_id.hex(), span.name) for span in passed]
    sizes = connection.execute(
        "SELECT value FROM span_attribute('size') WHERE value IS NOT NULL ORDER BY value"
    ).fetchall()
    assert sizes == [("1.5",), ("3",), ("big",)]
    assert connection.execute("SELECT count(value) FROM span_attribute('nothing')").fetchall() == [(0,)]
