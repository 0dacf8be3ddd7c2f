"""Zipkin over HTTP: any method, any path; a path that says `api/v1/spans` is version 1."""

from __future__ import annotations

import ssl

from tempo_dask.errors import TempoDaskError
from tempo_dask.ingest.distributor import Push
from tempo_dask.ingest.receivers import (
    zipkin_json,
    zipkin_otlp,
    zipkin_proto,
    zipkin_v1,
    zipkin_v1_json,
    zipkin_v1_thrift,
)
from tempo_dask.ingest.receivers.http_bodies import DEFAULT_MAX_BODY_BYTES, BodyHandler, HttpReceiver, Intake

PROTOBUF = "application/x-protobuf"
THRIFT = "application/x-thrift"


def zipkin_http(
    push: Push,
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
    tls: ssl.SSLContext | None = None,
    *,
    parse_string_tags: bool = False,
) -> HttpReceiver:
    """Return a server that takes spans; tags that look like numbers or booleans become such if told so."""
    handler = TypedSpansHandler if parse_string_tags else SpansHandler
    return HttpReceiver([(".*", handler)], Intake(push, max_body_bytes), tls)


class SpansHandler(BodyHandler):
    """A list of spans, in a form that path and content type tell."""

    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    RECEIVER = "zipkin/zipkin_receiver"
    PARSE_STRING_TAGS = False

    @property
    def transport(self) -> str:
        """Version and form."""
        if self._is_v1():
            return "http_v1_thrift" if self.media_type == THRIFT else "http_v1_json"
        return "http_v2_proto" if self.media_type == PROTOBUF else "http_v2_json"

    def translate(self, body: bytes) -> bytes:
        """Return spans as OTLP."""
        if self._is_v1():
            read_v1 = zipkin_v1_thrift.read_spans if self.media_type == THRIFT else zipkin_v1_json.read_spans
            return zipkin_v1.to_otlp(read_v1(body))
        read = zipkin_proto.read_spans if self.media_type == PROTOBUF else zipkin_json.read_spans
        return zipkin_otlp.to_otlp(read(body), parse_string_tags=self.PARSE_STRING_TAGS)

    def acknowledge(self) -> None:
        """Answer with nothing."""
        self.say_nothing(202)

    def refuse(self, error: TempoDaskError, *, translated: bool) -> None:
        """Answer as the collector does: what the write path refuses is an error of the server."""
        if translated:
            self.say(500, '"Internal Server Error"')
        else:
            self.say(error.status, f"{error}\n")

    def _is_v1(self) -> bool:
        return "api/v1/spans" in self.request.path

    get = head = put = patch = delete = options = BodyHandler.post


class TypedSpansHandler(SpansHandler):
    """The same, with tags of types."""

    PARSE_STRING_TAGS = True
