"""What calls over gRPC have in common: whose they are, and how they are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import grpc
import grpc.aio

from tempo_dask.errors import BadRequest, TempoDaskError, TooManyRequests, Unavailable
from tempo_dask.ingest.receivers import rpc_status
from tempo_dask.ingest.records import MalformedRequest
from tempo_dask.ingest.tenants import HEADER

#: How long running requests may take to finish when a receiver stops.
GRACE_S = 5.0

Context: TypeAlias = grpc.aio.ServicerContext[bytes, bytes]

_ORG_ID = HEADER.lower()
_DETAILS = "grpc-status-details-bin"


def org_ids(context: Context) -> Sequence[str]:
    """Return the values of the tenants' header."""
    metadata = context.invocation_metadata() or ()
    return [value if isinstance(value, str) else value.decode() for key, value in metadata if key == _ORG_ID]


async def refuse(context: Context, error: TempoDaskError) -> None:
    """Answer a call with an error; always raises."""
    if rpc_status.retry_after_s(error):
        context.set_trailing_metadata(((_DETAILS, rpc_status.to_protobuf(error)),))
    await context.abort(*_status(error))


def _status(error: TempoDaskError) -> tuple[grpc.StatusCode, str]:
    match error:
        case MalformedRequest():
            return grpc.StatusCode.INTERNAL, f"grpc: error unmarshalling request: {error}"
        case Unavailable():
            return grpc.StatusCode.UNAVAILABLE, str(error)
        case TooManyRequests():
            return grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)
        case BadRequest():
            return grpc.StatusCode.INVALID_ARGUMENT, str(error)
        case _:
            return grpc.StatusCode.INTERNAL, str(error)
