"""What an answer says in numbers, so that answers of different servers can be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tempo_dask.bench.shapes import LIMIT, Kind

Counts = Mapping[str, float]

#: Sums of samples may differ by so much: quantiles are estimates, and a window's edge may cut a step.
TOLERANCE = 0.01


class Unreadable(ValueError):
    """An answer is not what Tempo's API promises, or says itself that it is not whole."""


def counts_of(kind: Kind, body: bytes) -> Counts:
    """Return how many things of which sort an answer holds. Raises Unreadable.

    A search counts `traces` and, where those are all that there are, matched `spans`; metrics count `series` and the
    `sum` of their samples. Nothing depends on an order that Tempo's API does not promise.
    """
    try:
        answer = orjson.loads(body)
        if isinstance(answer, dict) and answer.get("status") in ("PARTIAL", 1):
            raise Unreadable(f"a partial answer: {answer.get('message', '')}")
        return _COUNT[kind](answer)
    except (orjson.JSONDecodeError, AttributeError, TypeError, KeyError) as error:
        raise Unreadable(f"not an answer of Tempo's API: {body[:80]!r}") from error


def differences(one: Counts, other: Counts) -> tuple[str, ...]:
    """Return the names of what differs between two answers to one question; what only one counts is not compared."""
    return tuple(name for name in one if name in other and not _is_same(name, one[name], other[name]))


def _is_same(name: str, one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE if name == "sum" else 0.0, abs_tol=1e-9)


def _searched(answer: dict[str, Any]) -> Counts:
    traces = answer.get("traces") or []
    if len(traces) >= LIMIT:
        return {"traces": len(traces)}
    return {"traces": len(traces), "spans": sum(_matched(trace) for trace in traces)}


def _matched(trace: dict[str, Any]) -> int:
    sets = trace.get("spanSets") or [trace.get("spanSet") or {}]
    return sum(int(found.get("matched", 0)) for found in sets)


def _measured(answer: dict[str, Any]) -> Counts:
    series = answer.get("series") or []
    samples = (float(sample.get("value", 0.0)) for one in series for sample in one.get("samples") or [])
    return {"series": len(series), "sum": round(math.fsum(value for value in samples if math.isfinite(value)), 6)}


def _named(answer: dict[str, Any]) -> Counts:
    # What is built in differs from version to version.
    scopes = [scope for scope in answer.get("scopes") or [] if scope.get("name") != "intrinsic"]
    return {"names": sum(len(scope.get("tags") or []) for scope in scopes)}


def _valued(answer: dict[str, Any]) -> Counts:
    return {"values": len(answer.get("tagValues") or [])}


def _traced(answer: dict[str, Any]) -> Counts:
    trace = answer.get("trace") or answer
    resources: Iterable[dict[str, Any]] = trace.get("resourceSpans") or trace.get("batches") or []
    scopes = [scope for resource in resources for scope in resource.get("scopeSpans") or []]
    return {"spans": sum(len(scope.get("spans") or []) for scope in scopes)}


_COUNT = {
    Kind.SEARCH: _searched,
    Kind.METRICS: _measured,
    Kind.NAMES: _named,
    Kind.VALUES: _valued,
    Kind.TRACE: _traced,
}
