"""What it costs to read a query: the grammar once, then each text, parsed afresh every time (nothing is cached)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from traceql import format_query, parse, require_valid, simplify
from traceql.parser import grammar

ROUNDS = 9
REPEATS = 50

QUERIES = {
    "everything": "{ }",
    "two conditions": '{ span.http.status_code >= 500 && resource.service.name = "cart" }',
    "structure and metrics": (
        '{ resource.service.name = "frontend" && span.http.method =~ "GET|POST" && duration > 100ms } '
        ">> { status = error } | rate() by (resource.service.name, name) with (exemplars=true)"
    ),
    "aggregates": "{ kind = server } | by(resource.service.name) | avg(duration) > 1s | select(status, span.http.url)",
}
LONGEST = "{ " + " || ".join(f".a{number} = {number}" for number in range(7_000)) + " }"


def main() -> Iterator[tuple[str, float, str]]:
    """Rows of (what, value, unit)."""
    grammar.cache_clear()
    yield "build the grammar", _once(grammar) * 1e3, "ms"
    for name, text in QUERIES.items():
        yield f"parse: {name} ({len(text)} characters)", _best(lambda text=text: parse(text)) * 1e6, "µs"
    text = QUERIES["structure and metrics"]
    query = parse(text)
    yield "validate it", _best(lambda: require_valid(query)) * 1e6, "µs"
    yield "simplify it", _best(lambda: simplify(query)) * 1e6, "µs"
    yield "print it", _best(lambda: format_query(query)) * 1e6, "µs"
    yield f"parse: a chain of 7,000 ({len(LONGEST) / 1024:.0f} KiB)", _once(lambda: parse(LONGEST)) * 1e3, "ms"


def _once(work: Callable[[], object]) -> float:
    """Seconds of CPU time: parsing waits for nothing, and a busy machine should not tell lies about it."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _best(work: Callable[[], object]) -> float:
    """Seconds per call, in the quickest of some rounds."""
    return min(_once(lambda: [work() for _ in range(REPEATS)]) for _ in range(ROUNDS)) / REPEATS


if __name__ == "__main__":
    for row in main():
        print(*row)
