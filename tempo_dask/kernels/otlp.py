"""OTLP requests, checked and decoded in groups.

A body is an `ExportTraceServiceRequest` in wire form. `check` walks it once and says whether it may be acknowledged,
`decode` walks it again and shreds it into columns. Both take many requests in one call: what a call costs beside
its spans is paid once for them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.columns import SpanTables
from tempo_dask.kernels.otlp_check import BAD_SPAN_ID, TEXTS, check_group, join
from tempo_dask.kernels.otlp_decode import walk_group
from tempo_dask.kernels.otlp_tables import tables


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one request: accepted where `error` is None, else refused with that text.

    `malformed` says that it does not even decode; with an error and without `malformed`, the write path refuses it.
    `spans` is how many spans it has, 0 if it does not decode.
    """

    error: str | None
    malformed: bool
    spans: int


def check(bodies: Sequence[bytes]) -> tuple[Verdict, ...]:
    """Return a verdict for each request body of a commit group."""
    found = check_group(join(bodies))
    return tuple(map(_verdict, found.errors.tolist(), found.spans.tolist()))


def _verdict(error: int, spans: int) -> Verdict:
    malformed = BAD_SPAN_ID <= error < 0
    return Verdict(TEXTS.get(error), malformed, 0 if malformed else spans)


def decode(bodies: Sequence[bytes]) -> SpanTables:
    """Return the spans of request bodies that `check` accepted as columns, in order of arrival.

    Resources and scopes that are equal byte by byte have one row. Raises ValueError where a body was not accepted.
    """
    group = join(bodies)
    found = check_group(group)
    if found.errors.any():
        msg = f"request {int(found.errors.argmin())} of {len(bodies)} was not accepted: it cannot be decoded"
        raise ValueError(msg)
    return tables(walk_group(group, found.counts))
