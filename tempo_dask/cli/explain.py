"""`tempo-dask explain`: how a running server answers a search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tempo_dask.tempo_client import TempoApi, tenant_headers

_ANSWER_S = 300.0


def explained(url: str, parameters: Mapping[str, str], tenant: str) -> str:
    """Ask a server how it answers a search. Raises TempoDaskError with what it says, Unavailable where none answers."""
    given = {name: value for name, value in parameters.items() if value}
    api = TempoApi(url.rstrip("/"), tenant_headers(tenant), _ANSWER_S)
    return "\n".join(explanation_text(api.json("/api/explain", **given)))


def explanation_text(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of an explanation."""
    yield f"query     {found['query'] or '(by tags)'}"
    yield from (f"stage     {stage}" for stage in found["stages"])
    for source in found["sources"]:
        why = f": {source['why']}" if source["why"] else ""
        split = f", {source['split_traces']} of its traces split" if source["split_traces"] else ""
        scanned = f"{source['units_scanned']} of {source['units']} units scanned{why}"
        yield f"source    {source['kind']} {source['id']} ({source['spans']} spans{split}): {scanned}"
    yield "time      " + ", ".join(f"{step} {1000 * seconds:.1f} ms" for step, seconds in found["seconds"].items())
    for name, cost in found["passes"].items():
        read = f"{cost['bytes']} bytes in {1000 * cost['threadSeconds']:.1f} ms of threads"
        yield f"pass      {name}: {cost['tasks']} tasks, {read}"
        yield from (f"  column  {column} {size_bytes}" for column, size_bytes in cost["columns"].items())
    yield f"graph     {found['graphTasks']} Dask tasks"
    yield f"found     {found['traces']} traces"
