"""What the write path passes on: requests as they were sent, with their place in the log."""

from __future__ import annotations

from dataclasses import dataclass

from tempo_dask.errors import BadRequest, TempoDaskError
from tempo_dask.ingest.rates import RateLimited


class MalformedRequest(BadRequest):
    """The bytes are not the message they claim to be (a request that is refused for what it says is not this)."""


class RefusedRequest(BadRequest):
    """The write path does not take what a well-formed request says; none of its `spans` is kept."""

    def __init__(self, text: str, spans: int) -> None:
        super().__init__(text)
        self.spans = spans


@dataclass(frozen=True, slots=True)
class Record:
    """One request that the write-ahead log has taken; `body` is an OTLP `ExportTraceServiceRequest`."""

    seq: int
    tenant: str
    body: bytes
    spans: int
    arrived_ns: int


def refused_spans(error: TempoDaskError) -> int:
    """Return how many spans an error refused, where that is known."""
    return error.spans if isinstance(error, RefusedRequest | RateLimited) else 0
