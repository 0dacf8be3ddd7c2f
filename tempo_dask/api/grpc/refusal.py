"""How a call ends that is not answered: errors as codes of gRPC, with the texts that HTTP has."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import grpc

from tempo_dask.api.query_report import CLIENT_LEFT
from tempo_dask.errors import NotAuthenticated, TempoDaskError
from traceql import TraceQLError

_CODES = {
    HTTPStatus.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CLIENT_LEFT: grpc.StatusCode.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call ends that is not answered, and the status that HTTP has for it."""

    status: int
    code: grpc.StatusCode
    text: str

    @classmethod
    def of(cls, error: TraceQLError | TempoDaskError) -> Refusal:
        """Return the code and text that clients know; what comes from inside ends in a newline."""
        status = error.status if isinstance(error, TempoDaskError) else HTTPStatus.BAD_REQUEST
        if isinstance(error, NotAuthenticated):
            return cls(status, grpc.StatusCode.UNAUTHENTICATED, str(error))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return cls(status, grpc.StatusCode.INTERNAL, f"{error}\n")
        return cls(status, _CODES.get(status, grpc.StatusCode.UNKNOWN), str(error))
