"""Tag names and tag values, in both versions of the API: JSON, protobuf, and the shape for language models."""

from __future__ import annotations

import orjson

from tempo_dask.api.encode_values import JSON, PROTOBUF, Form, Tree, without_zeros
from tempo_dask.api.pb.tempo_pb2 import (
    SearchTagsResponse,
    SearchTagsV2Response,
    SearchTagValuesResponse,
    SearchTagValuesV2Response,
)
from tempo_dask.engine.requests import TagNamesRequest
from tempo_dask.engine.results import KeyValuesResult, QueryMetrics, TagNamesResult, TagValuesResult

_INTRINSIC = "intrinsic"


def encode_tags_json(request: TagNamesRequest, result: TagNamesResult) -> bytes:
    """Return the names of all scopes as one list, in JSON."""
    return orjson.dumps(_tags(request, result, JSON))


def encode_tags_protobuf(request: TagNamesRequest, result: TagNamesResult) -> bytes:
    """Return the names of all scopes as one list, in protobuf."""
    return SearchTagsResponse(**_tags(request, result, PROTOBUF)).SerializeToString()


def encode_tags_v2_json(result: TagNamesResult) -> bytes:
    """Return the names by scope, in JSON."""
    return orjson.dumps(_tags_v2(result, JSON))


def encode_tags_v2_protobuf(result: TagNamesResult) -> bytes:
    """Return the names by scope, in protobuf."""
    return SearchTagsV2Response(**_tags_v2(result, PROTOBUF)).SerializeToString()


def encode_key_values_json(result: KeyValuesResult) -> bytes:
    """Return values as text, in JSON."""
    return orjson.dumps(_key_values(result, JSON))


def encode_key_values_protobuf(result: KeyValuesResult) -> bytes:
    """Return values as text, in protobuf."""
    return SearchTagValuesResponse(**_key_values(result, PROTOBUF)).SerializeToString()


def encode_tag_values_json(result: TagValuesResult) -> bytes:
    """Return typed values, in JSON."""
    return orjson.dumps(_tag_values(result, JSON))


def encode_tag_values_protobuf(result: TagValuesResult) -> bytes:
    """Return typed values, in protobuf."""
    return SearchTagValuesV2Response(**_tag_values(result, PROTOBUF)).SerializeToString()


def encode_tag_values_llm(result: TagValuesResult) -> bytes:
    """Return the values under their types."""
    by_type: dict[str, list[str]] = {}
    for value in result.values:
        by_type.setdefault(value.type, []).append(value.text)
    read = result.metrics.inspected_bytes
    return orjson.dumps({"tagValues": by_type, "metrics": {"inspectedBytes": read} if read else {}})


def _tags(request: TagNamesRequest, result: TagNamesResult, form: Form) -> Tree:
    """Intrinsics are listed only where they alone are asked for; a bound counts all other names together."""
    if request.scope == _INTRINSIC:
        names = list(result.scopes.get(_INTRINSIC, ()))
    else:
        names = sorted({name for scope, of_scope in result.scopes.items() if scope != _INTRINSIC for name in of_scope})
        names = names[: request.limit or None]
    return {"tagNames": names, "metrics": _metrics(result.metrics, form)}


def _tags_v2(result: TagNamesResult, form: Form) -> Tree:
    scopes = [{"name": scope, "tags": names} for scope, names in sorted(result.scopes.items())]
    return {"scopes": scopes, "metrics": _metrics(result.metrics, form)}


def _key_values(result: KeyValuesResult, form: Form) -> Tree:
    return {"tagValues": result.values, "metrics": _metrics(result.metrics, form)}


def _tag_values(result: TagValuesResult, form: Form) -> Tree:
    values = [without_zeros({"type": value.type, "value": value.text}) for value in result.values]
    return {"tagValues": values, "metrics": _metrics(result.metrics, form)}


def _metrics(metrics: QueryMetrics, form: Form) -> Tree:
    """Return a `MetadataMetrics`."""
    return without_zeros({"inspectedBytes": form.long(metrics.inspected_bytes)})
