"""`tempopb.StreamingQuerier`: the query API as streams of messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from tempo_dask.api.contracts import Api
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
from tempo_dask.api.grpc import arguments
from tempo_dask.api.grpc.messages import cut, paced, sized
from tempo_dask.api.grpc.untold import Untold
from tempo_dask.api.pb.tempo_pb2 import (
    QueryInstantRequest,
    QueryRangeRequest,
    SearchRequest,
    SearchTagsRequest,
    SearchTagValuesRequest,
)
from tempo_dask.engine.results import KeyValuesResult, RangeResult, SearchResult, TagNamesResult, TagValuesResult
from tempo_dask.errors import BadRequest, NotAuthenticated, TempoDaskError
from traceql import TraceQLError

SERVICE = "tempopb.StreamingQuerier"
TENANT_KEY = "x-scope-orgid"
AUTHORIZATION_KEY = "authorization"

Context: TypeAlias = grpc.aio.ServicerContext[Any, bytes]
#: Answers a request, with the API as its caller may use it, in messages.
Answer: TypeAlias = Callable[[Any, Api], AsyncGenerator[bytes, None]]
Result = TypeVar("Result")

_CODES = {
    HTTPStatus.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
}


class StreamingQuerier:
    """Streams what the engine finds as it finds it; errors end a stream with the code and text that clients know.

    A client that does not take a message for `write_timeout_s` is given up.
    """

    def __init__(self, api: Api, *, write_timeout_s: float = 30.0) -> None:
        self._api = api
        self._write_timeout_s = write_timeout_s

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what to add to a server."""
        methods: Mapping[str, tuple[Callable[[bytes], Message], Answer, bool]] = {
            "Search": (SearchRequest.FromString, self._search, False),
            "SearchTags": (SearchTagsRequest.FromString, self._tags, False),
            "SearchTagsV2": (SearchTagsRequest.FromString, self._tags_v2, False),
            "SearchTagValues": (SearchTagValuesRequest.FromString, self._tag_values, False),
            "SearchTagValuesV2": (SearchTagValuesRequest.FromString, self._tag_values_v2, False),
            "MetricsQueryRange": (QueryRangeRequest.FromString, self._query_range, True),
            "MetricsQueryInstant": (QueryInstantRequest.FromString, self._query_instant, True),
        }
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_stream_rpc_method_handler(
                    partial(self._answered, answer, refusals_are_unknown), request_deserializer=parse
                )
                for name, (parse, answer, refusals_are_unknown) in methods.items()
            },
        )

    async def _answered(self, answer: Answer, refusals_are_unknown: bool, request: Message, context: Context) -> None:
        """Stream an answer, or end with its error; clients of metrics know every refusal as `UNKNOWN`."""
        try:
            self._api.authenticate(_values(context, AUTHORIZATION_KEY))
            api = self._api.for_tenant(_values(context, TENANT_KEY))
        except NotAuthenticated as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        except TempoDaskError as error:
            await context.abort(_code(error.status), str(error))
        try:
            await self._send(answer(request, api), context)
        except TraceQLError as error:
            await context.abort(_code(HTTPStatus.BAD_REQUEST, refusals_are_unknown), str(error))
        except TempoDaskError as error:
            end = "\n" if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
            await context.abort(_code(error.status, refusals_are_unknown), f"{error}{end}")
        except TimeoutError:
            await context.abort(grpc.StatusCode.CANCELLED, "the answer is not read")

    async def _send(self, messages: AsyncGenerator[bytes, None], context: Context) -> None:
        """Send messages as fast as they are read. Raises TimeoutError where one is not."""
        async with aclosing(messages):
            async for message in messages:
                async with asyncio.timeout(self._write_timeout_s):
                    await context.write(message)

    @staticmethod
    def _search(request: SearchRequest, api: Api) -> AsyncGenerator[bytes, None]:
        asked = decode_search(arguments.of_search(request), api.tenant, api.now_ns(), api.limits)
        return _messages(api.engine.stream_search(asked), _join_traces, encode_search_protobuf, _halves_of_traces)

    @staticmethod
    def _tags(request: SearchTagsRequest, api: Api) -> AsyncGenerator[bytes, None]:
        """One list of all scopes is sent at once: a name that is new in one scope may be known of another."""
        asked = decode_tag_names(arguments.of_tags(request), api.tenant, api.now_ns(), api.limits)
        return _messages(
            _alone(api.engine.tag_names(asked)), _last, partial(encode_tags_protobuf, asked), _halves_of_names
        )

    @staticmethod
    def _tags_v2(request: SearchTagsRequest, api: Api) -> AsyncGenerator[bytes, None]:
        asked = decode_tag_names(arguments.of_tags(request), api.tenant, api.now_ns(), api.limits)
        return _messages(api.engine.stream_tag_names(asked), _join_names, encode_tags_v2_protobuf, _halves_of_names)

    @staticmethod
    def _tag_values(request: SearchTagValuesRequest, api: Api) -> AsyncGenerator[bytes, None]:
        parameters = arguments.of_tag_values(request)
        asked = decode_key_values(_name(request), parameters, api.tenant, api.now_ns(), api.limits)
        return _messages(
            api.engine.stream_key_values(asked), _join_values, encode_key_values_protobuf, _halves_of_values
        )

    @staticmethod
    def _tag_values_v2(request: SearchTagValuesRequest, api: Api) -> AsyncGenerator[bytes, None]:
        parameters = arguments.of_tag_values(request)
        asked = decode_tag_values(_name(request), parameters, api.tenant, api.now_ns(), api.limits)
        return _messages(
            api.engine.stream_tag_values(asked), _join_values, encode_tag_values_protobuf, _halves_of_values
        )

    @staticmethod
    def _query_range(request: QueryRangeRequest, api: Api) -> AsyncGenerator[bytes, None]:
        asked = decode_query_range(arguments.of_range(request), api.tenant, api.now_ns(), api.limits)
        return _messages(
            api.engine.stream_range(asked), _last, encode_query_range_protobuf, _halves_of_series, Untold().of
        )

    @staticmethod
    def _query_instant(request: QueryInstantRequest, api: Api) -> AsyncGenerator[bytes, None]:
        if request.query and not request.start:
            msg = "start required"
            raise BadRequest(msg)
        asked = decode_query_instant(arguments.of_instant(request), api.tenant, api.now_ns(), api.limits)
        return _messages(_alone(api.engine.query_range(asked)), _last, encode_query_instant_protobuf, _halves_of_series)


def _values(context: Context, key: str) -> list[str]:
    """Return the values of a key of the call's metadata."""
    found = context.invocation_metadata() or ()
    return [value if isinstance(value, str) else value.decode(errors="replace") for name, value in found if name == key]


def _code(status: int, refusals_are_unknown: bool = False) -> grpc.StatusCode:
    if status == HTTPStatus.BAD_REQUEST and refusals_are_unknown:
        return grpc.StatusCode.UNKNOWN
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return grpc.StatusCode.INTERNAL
    return _CODES.get(status, grpc.StatusCode.UNKNOWN)


def _name(request: SearchTagValuesRequest) -> str:
    if not request.tagName:
        msg = "please provide a non-empty tagName"
        raise BadRequest(msg)
    return request.tagName


async def _messages(
    parts: AsyncIterator[Result],
    join: Callable[[Sequence[Result]], Result],
    encode: Callable[[Result], bytes],
    halves: Callable[[Result], tuple[Result, ...]],
    untold: Callable[[Result], Result] | None = None,
) -> AsyncGenerator[bytes, None]:
    """Yield parts of an answer as messages, encoded off the event loop; `untold` leaves out what was told before."""
    async with aclosing(paced(parts, join)) as joined:
        async for part in joined:
            news = part if untold is None else untold(part)
            for message in await asyncio.to_thread(_sized, news, encode, halves):
                yield message


def _sized(
    part: Result, encode: Callable[[Result], bytes], halves: Callable[[Result], tuple[Result, ...]]
) -> Sequence[bytes]:
    return list(sized(part, encode, halves))


async def _alone(verb: Awaitable[Result]) -> AsyncIterator[Result]:
    """Yield an answer that has no parts."""
    yield await verb


def _join_traces(parts: Sequence[SearchResult]) -> SearchResult:
    return replace(parts[-1], traces=tuple(trace for part in parts for trace in part.traces))


def _halves_of_traces(result: SearchResult) -> tuple[SearchResult, ...]:
    return tuple(replace(result, traces=tuple(half)) for half in cut(result.traces))


def _join_names(parts: Sequence[TagNamesResult]) -> TagNamesResult:
    scopes = {scope for part in parts for scope in part.scopes}
    names = {scope: {name for part in parts for name in part.scopes.get(scope, ())} for scope in scopes}
    return replace(parts[-1], scopes={scope: tuple(sorted(of_scope)) for scope, of_scope in names.items()})


def _halves_of_names(result: TagNamesResult) -> tuple[TagNamesResult, ...]:
    names = [(scope, name) for scope, of_scope in result.scopes.items() for name in of_scope]
    return tuple(replace(result, scopes=_by_scope(half)) for half in cut(names))


def _by_scope(names: Sequence[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    scopes: dict[str, list[str]] = {}
    for scope, name in names:
        scopes.setdefault(scope, []).append(name)
    return {scope: tuple(of_scope) for scope, of_scope in scopes.items()}


Values = TypeVar("Values", KeyValuesResult, TagValuesResult)


def _join_values(parts: Sequence[Values]) -> Values:
    return replace(parts[-1], values=tuple(value for part in parts for value in part.values))


def _halves_of_values(result: Values) -> tuple[Values, ...]:
    return tuple(replace(result, values=tuple(half)) for half in cut(result.values))


def _last(parts: Sequence[Result]) -> Result:
    """Of results that grow the last one says all."""
    return parts[-1]


def _halves_of_series(result: RangeResult) -> tuple[RangeResult, ...]:
    return tuple(replace(result, series=tuple(half)) for half in cut(result.series))
