"""`google.rpc.Status`, in which OTLP refuses: its codes, its bytes, and when to come back."""

from __future__ import annotations

from typing import Final

import orjson
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from tempo_dask.errors import BadRequest, TempoDaskError, TooManyRequests, Unavailable
from tempo_dask.ingest.rates import RateLimited
from tempo_dask.ingest.room import Overloaded

#: HTTP status and gRPC code of an error, the first that fits.
_CODES: Final = ((TooManyRequests, 429, 8), (Unavailable, 503, 14), (BadRequest, 400, 3), (TempoDaskError, 500, 13))
_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"


def codes_of(error: TempoDaskError) -> tuple[int, int]:
    """Return the HTTP status and the gRPC code of an error."""
    return next((status, code) for kind, status, code in _CODES if isinstance(error, kind))


def retry_after_s(error: TempoDaskError) -> float:
    """Return when the client should come back, 0 where it is not told."""
    return error.retry_after_s if isinstance(error, RateLimited | Overloaded) else 0


def to_protobuf(error: TempoDaskError) -> bytes:
    """Return an error as `google.rpc.Status` on the wire."""
    status = Status(code=codes_of(error)[1], message=str(error))
    if seconds := retry_after_s(error):
        delay = Duration()
        delay.FromNanoseconds(round(seconds * 1e9))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    message: bytes = status.SerializeToString()
    return message


def to_json(error: TempoDaskError) -> bytes:
    """Return an error as `google.rpc.Status` in JSON."""
    answer: dict[str, object] = {"code": codes_of(error)[1], "message": str(error)}
    if seconds := retry_after_s(error):
        answer["details"] = [{"@type": _RETRY_INFO, "retryDelay": f"{seconds:g}s"}]
    return orjson.dumps(answer)
