"""`tempopb.StreamingQuerier`: the query API as streams of messages."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlencode

import grpc
import grpc.aio
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from tempo_dask.api.contracts import Answered, Api
from tempo_dask.api.decode_metrics import decode_query_instant, decode_query_range
from tempo_dask.api.decode_search import decode_search
from tempo_dask.api.decode_tag_requests import decode_key_values, decode_tag_names, decode_tag_values
from tempo_dask.api.encode_metrics_protobuf import encode_query_instant_protobuf, encode_query_range_protobuf
from tempo_dask.api.encode_search import encode_search_protobuf
from tempo_dask.api.encode_tags import (
    encode_key_values_protobuf,
    encode_tag_values_protobuf,
    encode_tags_protobuf,
    encode_tags_v2_protobuf,
)
from tempo_dask.api.grpc import arguments, parts
from tempo_dask.api.grpc.messages import paced, sized
from tempo_dask.api.grpc.refusal import Refusal
from tempo_dask.api.grpc.untold import Untold
from tempo_dask.api.pb.tempo_pb2 import (
    QueryInstantRequest,
    QueryRangeRequest,
    SearchRequest,
    SearchTagsRequest,
    SearchTagValuesRequest,
)
from tempo_dask.api.query_report import CLIENT_LEFT, QueryReport
from tempo_dask.engine.results import (
    KeyValuesResult,
    QueryMetrics,
    RangeResult,
    SearchResult,
    TagNamesResult,
    TagValuesResult,
)
from tempo_dask.errors import BadRequest, TempoDaskError
from traceql import TraceQLError, parse
from traceql.ast import Compare, MetricsQuery

SERVICE = "tempopb.StreamingQuerier"
TENANT_KEY = "x-scope-orgid"
AUTHORIZATION_KEY = "authorization"

Context: TypeAlias = grpc.aio.ServicerContext[Any, bytes]
#: Encoded messages, each with what the answer has cost so far.
Messages: TypeAlias = AsyncGenerator[tuple[bytes, QueryMetrics], None]
#: Answers a request, with the API as its caller may use it, in messages.
Answer: TypeAlias = Callable[[Any, Api], Messages]
Result = TypeVar("Result", SearchResult, TagNamesResult, KeyValuesResult, TagValuesResult, RangeResult)

logger = logging.getLogger(__name__)

_METHOD = "gRPC"  # stands where HTTP has its method
_PARTIAL_KEY = "x-tempo-partial"
_NOT_PRINTABLE = re.compile("[^ -~]")


@dataclass(frozen=True, slots=True)
class _Method:
    """A method of the service."""

    decode: Callable[[bytes], Message]  # raises DecodeError
    answer: Answer
    refusals_are_unknown: bool = False  # clients of metrics know every refusal of a request as `UNKNOWN`


@dataclass(slots=True)
class _Call:
    """A call that runs, and what will be told of it; without another word its client left."""

    route: str
    context: Context
    request: Message | None = None  # what cannot be decoded is none
    tenant: str = ""
    status: int = CLIENT_LEFT
    sent_bytes: int = 0
    cost: QueryMetrics = field(default_factory=QueryMetrics)
    _started_ns: int = field(default_factory=time.time_ns)
    _started: float = field(default_factory=time.perf_counter)

    def values(self, key: str) -> list[str]:
        """Return the values of a key of the call's metadata."""
        found = self.context.invocation_metadata() or ()
        return [one if isinstance(one, str) else one.decode(errors="replace") for name, one in found if name == key]

    def report(self) -> QueryReport:
        """Return what is to be told now that it is over; its fields stand where HTTP has parameters."""
        fields = MessageToDict(self.request, preserving_proto_field_name=True) if self.request is not None else {}
        return QueryReport(
            tenant=self.tenant,
            method=_METHOD,
            path=f"{self.route}?{urlencode(fields)}",
            route=self.route,
            status=int(self.status),
            started_ns=self._started_ns,
            seconds=time.perf_counter() - self._started,
            sent_bytes=self.sent_bytes,
            cost=self.cost,
            traceparent=next(iter(self.values("traceparent")), ""),
        )


class StreamingQuerier:
    """Streams what the engine finds as it finds it; errors end a stream with the code and text that clients know.

    A client that does not take a message for `write_timeout_s` is given up.
    """

    def __init__(self, api: Api, *, write_timeout_s: float = 30.0) -> None:
        self._api = api
        self._write_timeout_s = write_timeout_s

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what to add to a server."""
        methods: Mapping[str, _Method] = {
            "Search": _Method(SearchRequest.FromString, self._search),
            "SearchTags": _Method(SearchTagsRequest.FromString, self._tags),
            "SearchTagsV2": _Method(SearchTagsRequest.FromString, self._tags_v2),
            "SearchTagValues": _Method(SearchTagValuesRequest.FromString, self._tag_values),
            "SearchTagValuesV2": _Method(SearchTagValuesRequest.FromString, self._tag_values_v2),
            "MetricsQueryRange": _Method(QueryRangeRequest.FromString, self._query_range, refusals_are_unknown=True),
            "MetricsQueryInstant": _Method(
                QueryInstantRequest.FromString, self._query_instant, refusals_are_unknown=True
            ),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_stream_rpc_method_handler(partial(self._answered, name, method))
                for name, method in methods.items()
            },
        )

    async def _answered(self, name: str, method: _Method, body: bytes, context: Context) -> None:
        """Stream an answer, or end with its error, and tell of it."""
        call = _Call(f"/{SERVICE}/{name}", context)
        self._api.observer.began(_METHOD, call.route)
        try:
            refusal = await self._refusal(method, body, call)
            call.status = HTTPStatus.OK if refusal is None else refusal.status
        finally:
            report = call.report()
            received, sent = len(body), report.sent_bytes
            self._api.observer.ended(Answered(_METHOD, report.route, report.status, report.seconds, received, sent))
            self._api.tell(report)
        if refusal is not None:
            await context.abort(refusal.code, refusal.text)

    async def _refusal(self, method: _Method, body: bytes, call: _Call) -> Refusal | None:
        """Answer, or return why not."""
        tenants = call.values(TENANT_KEY)
        try:
            self._api.authenticate(call.values(AUTHORIZATION_KEY))
            api = self._api.for_tenant(tenants if len(tenants) == 1 else ())
        except TempoDaskError as error:
            return Refusal.of(error)
        call.tenant = api.tenant
        try:
            call.request = method.decode(body)
            await self._send(method.answer(call.request, api), call)
        except DecodeError as error:
            text = f"grpc: error unmarshalling request: {error}"
            return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, grpc.StatusCode.INTERNAL, text)
        except (TraceQLError, TempoDaskError) as error:
            refusal = Refusal.of(error)
            is_request = method.refusals_are_unknown and refusal.status == HTTPStatus.BAD_REQUEST
            return replace(refusal, code=grpc.StatusCode.UNKNOWN) if is_request else refusal
        except TimeoutError:
            return Refusal(CLIENT_LEFT, grpc.StatusCode.CANCELLED, "the answer is not read")
        except Exception:  # a fault of ours is told to the log alone, as over HTTP
            logger.exception("%s failed", call.route)
            return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, grpc.StatusCode.INTERNAL, "internal server error\n")
        return None

    async def _send(self, messages: Messages, call: _Call) -> None:
        """Send messages as fast as they are read, and say at the end if something is missing. Raises TimeoutError."""
        async with aclosing(messages):
            async for body, cost in messages:
                call.cost = cost
                async with asyncio.timeout(self._write_timeout_s):
                    await call.context.write(body)
                call.sent_bytes += len(body)
        if call.cost.partial:
            why_partial = _NOT_PRINTABLE.sub("?", call.cost.partial)
            call.context.set_trailing_metadata(((_PARTIAL_KEY, why_partial),))

    @staticmethod
    def _search(request: SearchRequest, api: Api) -> Messages:
        asked = decode_search(arguments.of_search(request), api.tenant, api.now_ns(), api.limits)
        return _messages(
            api.engine.stream_search(asked), parts.join_traces, encode_search_protobuf, parts.halves_of_traces
        )

    @staticmethod
    def _tags(request: SearchTagsRequest, api: Api) -> Messages:
        """One list of all scopes is sent at once: a name that is new in one scope may be known of another."""
        asked = decode_tag_names(arguments.of_tags(request), api.tenant, api.now_ns(), api.limits)
        return _messages(
            _alone(api.engine.tag_names(asked)), parts.last, partial(encode_tags_protobuf, asked), parts.halves_of_names
        )

    @staticmethod
    def _tags_v2(request: SearchTagsRequest, api: Api) -> Messages:
        asked = decode_tag_names(arguments.of_tags(request), api.tenant, api.now_ns(), api.limits)
        return _messages(
            api.engine.stream_tag_names(asked), parts.join_names, encode_tags_v2_protobuf, parts.halves_of_names
        )

    @staticmethod
    def _tag_values(request: SearchTagValuesRequest, api: Api) -> Messages:
        parameters = arguments.of_tag_values(request)
        asked = decode_key_values(_name(request), parameters, api.tenant, api.now_ns(), api.limits)
        return _messages(
            api.engine.stream_key_values(asked), parts.join_values, encode_key_values_protobuf, parts.halves_of_values
        )

    @staticmethod
    def _tag_values_v2(request: SearchTagValuesRequest, api: Api) -> Messages:
        parameters = arguments.of_tag_values(request)
        asked = decode_tag_values(_name(request), parameters, api.tenant, api.now_ns(), api.limits)
        return _messages(
            api.engine.stream_tag_values(asked), parts.join_values, encode_tag_values_protobuf, parts.halves_of_values
        )

    @staticmethod
    def _query_range(request: QueryRangeRequest, api: Api) -> Messages:
        """Which series a comparison shows is known at its end alone, and what is told cannot be taken back."""
        asked = decode_query_range(arguments.of_range(request), api.tenant, api.now_ns(), api.limits)
        found = _alone(api.engine.query_range(asked)) if _compares(asked.query) else api.engine.stream_range(asked)
        return _messages(found, parts.last, encode_query_range_protobuf, parts.halves_of_series, Untold().of)

    @staticmethod
    def _query_instant(request: QueryInstantRequest, api: Api) -> Messages:
        if request.query and not request.start:
            msg = "start required"
            raise BadRequest(msg)
        asked = decode_query_instant(arguments.of_instant(request), api.tenant, api.now_ns(), api.limits)
        return _messages(
            _alone(api.engine.query_range(asked)), parts.last, encode_query_instant_protobuf, parts.halves_of_series
        )


def _compares(query: str) -> bool:
    root = parse(query).root
    return isinstance(root, MetricsQuery) and isinstance(root.function, Compare)


def _name(request: SearchTagValuesRequest) -> str:
    if not request.tagName:
        msg = "please provide a non-empty tagName"
        raise BadRequest(msg)
    return request.tagName


async def _messages(
    found: AsyncIterator[Result],
    join: Callable[[Sequence[Result]], Result],
    encode: Callable[[Result], bytes],
    halves: Callable[[Result], tuple[Result, ...]],
    untold: Callable[[Result], Result] | None = None,
) -> Messages:
    """Yield parts of an answer as messages, encoded off the event loop; `untold` leaves out what was told before."""
    async with aclosing(paced(found, join)) as joined:
        async for part in joined:
            news = part if untold is None else untold(part)
            for message in await asyncio.to_thread(_sized, news, encode, halves):
                yield message, part.metrics


def _sized(
    part: Result, encode: Callable[[Result], bytes], halves: Callable[[Result], tuple[Result, ...]]
) -> Sequence[bytes]:
    return list(sized(part, encode, halves))


async def _alone(verb: Awaitable[Result]) -> AsyncIterator[Result]:
    """Yield an answer that has no parts."""
    yield await verb
