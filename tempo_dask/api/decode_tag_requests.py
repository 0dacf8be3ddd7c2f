"""Tag names and tag values: parameters to requests."""

from __future__ import annotations

from typing import cast, get_args

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_numbers import parse_integer
from tempo_dask.api.decode_times import parse_rfc3339, search_window
from tempo_dask.api.limits import RequestLimits
from tempo_dask.engine.requests import KeyValuesRequest, TagNamesRequest, TagScope, TagValuesRequest
from tempo_dask.errors import BadRequest
from traceql import TraceQLError, parse_attribute

_SCOPES = get_args(TagScope)


def decode_tag_names(arguments: Arguments, tenant: str, now_ns: int, limits: RequestLimits) -> TagNamesRequest:
    """Return which tag names the parameters ask for; raises BadRequest with the client's text."""
    scope = arguments.text("scope")
    if scope not in _SCOPES:
        msg = f"invalid scope: {scope}"
        raise BadRequest(msg)
    arguments.read("rf1After", parse_rfc3339)
    return TagNamesRequest(
        tenant,
        search_window(arguments, now_ns, limits),
        cast("TagScope", scope),
        arguments.text("q"),
        _read_limit(arguments),
        limits.max_tag_bytes,
    )


def decode_key_values(
    key: str, arguments: Arguments, tenant: str, now_ns: int, limits: RequestLimits
) -> KeyValuesRequest:
    """Return which values of a plain key are asked for; raises BadRequest."""
    window = search_window(arguments, now_ns, limits)
    return KeyValuesRequest(tenant, key, window, _read_limit(arguments), limits.max_tag_bytes)


def decode_tag_values(
    identifier: str, arguments: Arguments, tenant: str, now_ns: int, limits: RequestLimits
) -> TagValuesRequest:
    """Return which values of an attribute or intrinsic are asked for; raises BadRequest."""
    try:
        attribute = parse_attribute(identifier)
    except TraceQLError as error:
        msg = f"please provide a valid tagName: failed to parse identifier {identifier}: {error}"
        raise BadRequest(msg) from error
    window = search_window(arguments, now_ns, limits)
    query = arguments.text("q")
    return TagValuesRequest(tenant, attribute, window, query, _read_limit(arguments), limits.max_tag_bytes)


def _read_limit(arguments: Arguments) -> int:
    """Return the bound that is asked for, 0 where there is none or it is not to be understood."""
    try:
        return max(parse_integer(arguments.text("limit"), 64), 0)
    except ValueError:
        return 0
