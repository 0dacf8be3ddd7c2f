"""Reads recorded OTLP traces from files, as the bodies of export requests.

What a file holds is seen from its bytes, not from its name; each form may be gzipped:

====================================  ==========================================================================
first bytes                           what it is
====================================  ==========================================================================
``{``, a whole object on its line     OTLP/JSON, one ``ExportTraceServiceRequest`` a line
``{``, else                           OTLP/JSON, one ``ExportTraceServiceRequest`` over many lines
``0A``                                protobuf, one ``ExportTraceServiceRequest`` (its only field has this tag)
else                                  records of a 4-byte big-endian length and one protobuf request
====================================  ==========================================================================
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tempo_dask.errors import TempoDaskError
from tempo_dask.otlp_client import JSON, PROTOBUF, ExportRequest

GZIP_MAGIC = b"\x1f\x8b"
PROTOBUF_TAG = b"\x0a"
LENGTH_BYTES = 4
# A record longer than this is no record but another kind of file.
MAX_RECORD_BYTES = 1 << 28


class UnreadableFile(TempoDaskError):
    """A file is not what it should be; the message names the file, the place and what was expected."""


def read_requests(path: Path) -> Iterator[ExportRequest]:
    """Yield the requests of a file in their order, `position` in bytes of the file as it lies on disk.

    Raises `UnreadableFile` where it cannot go on.
    """
    number = 0
    try:
        with path.open("rb") as raw:
            for number, (body, content_type) in enumerate(_bodies(raw), start=1):
                spans = _COUNT[content_type](body)
                yield ExportRequest(body, spans, f"{path}, request {number}", content_type, raw.tell())
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path}: the gzip stream is cut short or damaged: {error}") from error
    except _Unexpected as error:
        raise UnreadableFile(f"{path}, request {max(number, 1)}: {error}") from error


class _Unexpected(ValueError):
    """What was read is not what the first bytes promised."""


def _bodies(raw: io.BufferedReader) -> Iterator[tuple[bytes, str]]:
    stream = _uncompressed(raw)
    first = stream.peek(1)[:1]
    if first == b"":
        raise _Unexpected("the file is empty; expected OTLP as protobuf, JSON or length-prefixed records")
    if first == b"{":
        yield from ((body, JSON) for body in _objects(stream))
    elif first == PROTOBUF_TAG:
        yield stream.read(), PROTOBUF
    else:
        yield from ((body, PROTOBUF) for body in _records(stream))


def _uncompressed(raw: io.BufferedReader) -> io.BufferedReader:
    if raw.peek(2)[:2] != GZIP_MAGIC:
        return raw
    return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=raw)))


def _objects(stream: io.BufferedReader) -> Iterator[bytes]:
    """Yield a JSON object a line or, where the first line holds no whole object, all that there is as one."""
    first = stream.readline()
    if not _is_json(first):
        yield first + stream.read()
        return
    yield first
    yield from (line for line in stream if line.strip())


def _records(stream: io.BufferedReader) -> Iterator[bytes]:
    while prefix := stream.read(LENGTH_BYTES):
        length = int.from_bytes(prefix, "big")
        if length > MAX_RECORD_BYTES:
            raise _Unexpected(
                "expected protobuf, JSON or length-prefixed records of OTLP; "
                f"read as records, the next one would have {length} bytes"
            )
        body = stream.read(length)
        if len(prefix) < LENGTH_BYTES or len(body) < length:
            raise _Unexpected(f"the file ends within a record: expected {length} bytes, found {len(body)}")
        yield body


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def count_spans(body: bytes) -> int:
    """Return how many spans a protobuf request holds. Raises ValueError where it is none."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise _Unexpected(f"expected an ExportTraceServiceRequest as protobuf: {error}") from error
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def _count_json(body: bytes) -> int:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _Unexpected(f"expected an ExportTraceServiceRequest as OTLP/JSON: {error}") from error
    resources = _list(request, "resourceSpans", "resource_spans")
    scopes = [scope for resource in resources for scope in _list(resource, "scopeSpans", "scope_spans")]
    return sum(len(_list(scope, "spans", "spans")) for scope in scopes)


def _list(holder: object, *spellings: str) -> list[object]:
    """Return the list under one of the spellings of its key; an absent or null one is empty."""
    if not isinstance(holder, dict):
        raise _Unexpected(f"expected an object with `{spellings[0]}`, found {type(holder).__name__}")
    found: object = next((holder[key] for key in spellings if holder.get(key) is not None), [])
    if not isinstance(found, list):
        raise _Unexpected(f"expected `{spellings[0]}` to be a list, found {type(found).__name__}")
    return found


_COUNT: dict[str, Callable[[bytes], int]] = {PROTOBUF: count_spans, JSON: _count_json}
