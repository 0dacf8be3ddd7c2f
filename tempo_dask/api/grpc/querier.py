"""`tempopb.StreamingQuerier`: the query API as streams of messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
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
from tempo_dask.errors import BadRequest, TempoDaskError
from traceql import TraceQLError

SERVICE = "tempopb.StreamingQuerier"

Context: TypeAlias = grpc.aio.ServicerContext[Any, bytes]
#: Answers a request of a tenant in messages.
Answer: TypeAlias = Callable[[Any, str], AsyncIterator[bytes]]
Result = TypeVar("Result")

_CODES = {
    HTTPStatus.BAD_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    HTTPStatus.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
}


class StreamingQuerier:
    """Streams what the engine finds as it finds it; errors end a stream with the code and text that clients know."""

    def __init__(self, api: Api) -> None:
        self._api = api

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

    async def _answered(
        self, answer: Answer, refusals_are_unknown: bool, request: Message, context: Context
    ) -> AsyncIterator[bytes]:
        """Stream an answer, or end with its error; clients of metrics know every refusal as `UNKNOWN`."""
        try:
            async for message in answer(request, self._api.tenant):
                yield message
        except TraceQLError as error:
            await context.abort(_code(HTTPStatus.BAD_REQUEST, refusals_are_unknown), str(error))
        except TempoDaskError as error:
            end = "\n" if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
            await context.abort(_code(error.status, refusals_are_unknown), f"{error}{end}")

    async def _search(self, request: SearchRequest, tenant: str) -> AsyncIterator[bytes]:
        api = self._api
        asked = decode_search(arguments.of_search(request), tenant, api.now_ns(), api.limits)
        async for found in paced(api.engine.stream_search(asked), _join_traces):
            for message in await _messages(found, encode_search_protobuf, _halves_of_traces):
                yield message

    async def _tags(self, request: SearchTagsRequest, tenant: str) -> AsyncIterator[bytes]:
        """One list of all scopes is sent at once: a name that is new in one scope may be known of another."""
        api = self._api
        asked = decode_tag_names(arguments.of_tags(request), tenant, api.now_ns(), api.limits)
        yield encode_tags_protobuf(asked, await api.engine.tag_names(asked))

    async def _tags_v2(self, request: SearchTagsRequest, tenant: str) -> AsyncIterator[bytes]:
        api = self._api
        asked = decode_tag_names(arguments.of_tags(request), tenant, api.now_ns(), api.limits)
        async for found in paced(api.engine.stream_tag_names(asked), _join_names):
            yield encode_tags_v2_protobuf(found)

    async def _tag_values(self, request: SearchTagValuesRequest, tenant: str) -> AsyncIterator[bytes]:
        api = self._api
        parameters = arguments.of_tag_values(request)
        asked = decode_key_values(_name(request), parameters, tenant, api.now_ns(), api.limits)
        async for found in paced(api.engine.stream_key_values(asked), _join_values):
            for message in await _messages(found, encode_key_values_protobuf, _halves_of_values):
                yield message

    async def _tag_values_v2(self, request: SearchTagValuesRequest, tenant: str) -> AsyncIterator[bytes]:
        api = self._api
        parameters = arguments.of_tag_values(request)
        asked = decode_tag_values(_name(request), parameters, tenant, api.now_ns(), api.limits)
        async for found in paced(api.engine.stream_tag_values(asked), _join_values):
            for message in await _messages(found, encode_tag_values_protobuf, _halves_of_values):
                yield message

    async def _query_range(self, request: QueryRangeRequest, tenant: str) -> AsyncIterator[bytes]:
        api = self._api
        asked = decode_query_range(arguments.of_range(request), tenant, api.now_ns(), api.limits)
        untold = Untold()
        async for found in paced(api.engine.stream_range(asked), _last):
            for message in await _messages(untold.of(found), encode_query_range_protobuf, _halves_of_series):
                yield message

    async def _query_instant(self, request: QueryInstantRequest, tenant: str) -> AsyncIterator[bytes]:
        api = self._api
        if request.query and not request.start:
            msg = "start required"
            raise BadRequest(msg)
        asked = decode_query_instant(arguments.of_instant(request), tenant, api.now_ns(), api.limits)
        found = await api.engine.query_range(asked)
        for message in await _messages(found, encode_query_instant_protobuf, _halves_of_series):
            yield message


def _code(status: int, refusals_are_unknown: bool) -> grpc.StatusCode:
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
    result: Result, encode: Callable[[Result], bytes], halves: Callable[[Result], tuple[Result, ...]]
) -> Sequence[bytes]:
    """Encode off the event loop."""

    def encoded() -> Iterator[bytes]:
        return sized(result, encode, halves)

    return await asyncio.to_thread(lambda: list(encoded()))


def _join_traces(parts: Sequence[SearchResult]) -> SearchResult:
    return replace(parts[-1], traces=tuple(trace for part in parts for trace in part.traces))


def _halves_of_traces(result: SearchResult) -> tuple[SearchResult, ...]:
    return tuple(replace(result, traces=tuple(half)) for half in cut(result.traces))


def _join_names(parts: Sequence[TagNamesResult]) -> TagNamesResult:
    scopes = {scope for part in parts for scope in part.scopes}
    names = {scope: {name for part in parts for name in part.scopes.get(scope, ())} for scope in scopes}
    return replace(parts[-1], scopes={scope: tuple(sorted(of_scope)) for scope, of_scope in names.items()})


Values = TypeVar("Values", KeyValuesResult, TagValuesResult)


def _join_values(parts: Sequence[Values]) -> Values:
    return replace(parts[-1], values=tuple(value for part in parts for value in part.values))


def _halves_of_values(result: Values) -> tuple[Values, ...]:
    return tuple(replace(result, values=tuple(half)) for half in cut(result.values))


def _last(parts: Sequence[RangeResult]) -> RangeResult:
    """Of results that grow the last one says all."""
    return parts[-1]


def _halves_of_series(result: RangeResult) -> tuple[RangeResult, ...]:
    return tuple(replace(result, series=tuple(half)) for half in cut(result.series))
