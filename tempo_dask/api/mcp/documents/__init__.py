"""What language models are told of TraceQL."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple


class Document(NamedTuple):
    """A text, and how it is listed."""

    title: str
    description: str


NAMES = ("basic", "aggregates", "structural", "metrics")
#: URI -> listing; the query document is the basic one.
RESOURCES: Mapping[str, Document] = {
    "aggregates": Document("TraceQL Aggregates Docs", "Counting, averaging and grouping the spans of a trace."),
    "basic": Document("TraceQL Basic Docs", "Fields, operators and values; which other documents there are."),
    "metrics": Document("TraceQL Metrics Docs", "Series over time from spans: rates, quantiles, comparisons."),
    "query": Document("TraceQL Query Docs", "Finding traces by what their spans are."),
    "structural": Document("TraceQL Structural Docs", "Finding spans by how they relate to others."),
}
URI = "docs://traceql/"


def document(name: str) -> str:
    """Return a text; for a name that there is none of, the basic one."""
    return files(__name__).joinpath(f"{name if name in NAMES else 'basic'}.md").read_text()
