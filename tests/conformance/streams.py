"""Streamed answers, merged as clients merge them, in a form in which order does not matter."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from tempo_dask.api.pb import tempo_pb2 as pb

SERVICE = "tempopb.StreamingQuerier"
#: Method -> request, response.
METHODS: Mapping[str, tuple[type[Message], type[Message]]] = {
    "Search": (pb.SearchRequest, pb.SearchResponse),
    "SearchTags": (pb.SearchTagsRequest, pb.SearchTagsResponse),
    "SearchTagsV2": (pb.SearchTagsRequest, pb.SearchTagsV2Response),
    "SearchTagValues": (pb.SearchTagValuesRequest, pb.SearchTagValuesResponse),
    "SearchTagValuesV2": (pb.SearchTagValuesRequest, pb.SearchTagValuesV2Response),
    "MetricsQueryRange": (pb.QueryRangeRequest, pb.QueryRangeResponse),
    "MetricsQueryInstant": (pb.QueryInstantRequest, pb.QueryInstantResponse),
}

Call = dict[str, Any]


def recorded_calls(shared: Path) -> list[Call]:
    """Return the recorded calls."""
    return [json.loads(line) for line in (shared / "conformance" / "grpc.jsonl").read_text().splitlines()]


def ask(channel: grpc.Channel, call: Call) -> tuple[str, str, Any]:
    """Return code, text and merged answer of a call."""
    request_type, response_type = METHODS[call["method"]]
    stream = channel.unary_stream(
        f"/{SERVICE}/{call['method']}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response_type.FromString,
    )
    metadata = tuple((call.get("metadata") or {}).items())
    try:
        messages = list(stream(ParseDict(call["request"], request_type()), timeout=300, metadata=metadata))
    except grpc.RpcError as error:
        return error.code().name, error.details() or "", None
    return "OK", "", merged(call["method"], messages)


def recorded_answer(call: Call) -> tuple[str, str, Any]:
    """Return the same of what was recorded."""
    response_type = METHODS[call["method"]][1]
    messages = [ParseDict(body, response_type()) for body in call["responses"]]
    return call["code"], call["message"], merged(call["method"], messages) if messages else None


def merged(method: str, messages: list[Any]) -> Any:
    """Return the merge of messages, without their metrics."""
    return _MERGE[method](messages)


def agree(left: Any, right: Any) -> bool:
    """Return whether two merged answers say the same, numbers to one in a thousand million."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(agree(left[key], right[key]) for key in left)
    return bool(left == right)


def _traces(messages: list[Any]) -> dict[str, Any]:
    traces = {trace.traceID: trace for message in messages for trace in message.traces}
    return {trace_id.zfill(32): _sorted(MessageToDict(trace)) for trace_id, trace in traces.items()}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=repr)
    return value


def _names(messages: list[Any]) -> set[str]:
    return {name for message in messages for name in message.tagNames}


def _scopes(messages: list[Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for scope in (scope for message in messages for scope in message.scopes):
        found.setdefault(scope.name, set()).update(scope.tags)
    return found


def _values(messages: list[Any]) -> set[Any]:
    return {str(value) for message in messages for value in message.tagValues}


def _points(messages: list[Any]) -> dict[tuple[str, int], float]:
    return {
        (_labels(series), sample.timestamp_ms): sample.value
        for message in messages
        for series in message.series
        for sample in series.samples
    }


def _instants(messages: list[Any]) -> dict[str, float]:
    return {_labels(series): series.value for message in messages for series in message.series}


def _labels(series: Any) -> str:
    return "".join(sorted(map(str, series.labels)))


_MERGE: Mapping[str, Callable[[list[Any]], Any]] = {
    "Search": _traces,
    "SearchTags": _names,
    "SearchTagsV2": _scopes,
    "SearchTagValues": _values,
    "SearchTagValuesV2": _values,
    "MetricsQueryRange": _points,
    "MetricsQueryInstant": _instants,
}


def differences(channel: grpc.Channel, calls: list[Call]) -> Iterator[tuple[str, str]]:
    """Yield the calls that are answered otherwise than recorded, and how."""
    for call in calls:
        found, wanted = ask(channel, call), recorded_answer(call)
        if found[:2] != wanted[:2]:
            yield call["id"], f"{found[:2]} recorded {wanted[:2]}"
        elif not agree(found[2], wanted[2]):
            yield call["id"], f"{found[2]} recorded {wanted[2]}"
