"""The status of a Jaeger span, which its tags say in three ways."""

from __future__ import annotations

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tempo_dask.ingest.receivers.otlp_building import Value

_WORDS = {"OK": Status.STATUS_CODE_OK, "ERROR": Status.STATUS_CODE_ERROR}


def status_of(attributes: dict[str, Value], *, is_server: bool) -> Status:
    """Return the status that attributes say, and remove those that say nothing else.

    First `error`, then `otel.status_code`, then `http.status_code`, which stays.
    """
    word = attributes.pop("otel.status_code", None)
    if attributes.get("error") is True:
        del attributes["error"]
        message = attributes.pop("otel.status_description", attributes.get("http.status_message", ""))
        return Status(code=Status.STATUS_CODE_ERROR, message=_text(message))
    if word is not None:
        code = _WORDS.get(_text(word).upper(), Status.STATUS_CODE_UNSET)
        return Status(code=code, message=_text(attributes.pop("otel.status_description", "")))
    http_code = http_status(attributes.get("http.status_code"))
    if http_code is None:
        return Status()
    code = Status.STATUS_CODE_ERROR if _is_error(http_code, is_server=is_server) else Status.STATUS_CODE_UNSET
    return Status(code=code, message=_text(attributes.get("http.status_message", "")))


def http_status(value: Value | None) -> int | None:
    """Return an HTTP status, a number or its digits, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        digits = value.removeprefix("-").removeprefix("+")
        return int(value) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
    return None


def _is_error(http_code: int, *, is_server: bool) -> bool:
    if 400 <= http_code < 500:
        return not is_server  # who asked wrongly has failed, not who answered
    return not 100 <= http_code < 399


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""
