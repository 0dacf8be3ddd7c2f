"""The errors of the service: each says what to do, and what a client is answered."""

from __future__ import annotations


class TempoDaskError(Exception):
    """Base of the service's errors; `status` is the HTTP status a client sees."""

    status = 500


class BadRequest(TempoDaskError):
    """The request does not parse or fails a check; the message is the client's answer."""

    status = 400


class Unauthorized(TempoDaskError):
    """It is not known who asks."""

    status = 401


class NotAuthenticated(Unauthorized):
    """Who asks has not shown what lets them in; `challenge` says how to."""

    def __init__(self, challenge: str) -> None:
        super().__init__("unauthorized")
        self.challenge = challenge


class NotFound(TempoDaskError):
    """There is nothing by that name."""

    status = 404


class PreconditionFailed(TempoDaskError):
    """What is to be changed is no longer as the client knows it."""

    status = 412


class PreconditionRequired(TempoDaskError):
    """A change must say which version it changes."""

    status = 428


class QueryFailed(TempoDaskError):
    """A query that is valid but fails while it runs."""

    status = 500


class TooLarge(TempoDaskError):
    """What was asked for is larger than an answer may be."""

    status = 422


class TooManyRequests(TempoDaskError):
    """A queue or a limit is full; the client should come back later."""

    status = 429


class Unavailable(TempoDaskError):
    """The service is starting, stopping, or out of room; the client may try again."""

    status = 503


class DeadlineExceeded(TempoDaskError):
    """The query took longer than it may."""

    status = 504

    def __init__(self) -> None:
        super().__init__("context deadline exceeded")
