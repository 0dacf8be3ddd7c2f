"""`/api/traces/{id}`: the id in the path and the parameters to a trace request."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_numbers import parse_integer
from tempo_dask.api.decode_times import parse_rfc3339
from tempo_dask.api.limits import SECOND_NS
from tempo_dask.engine.requests import Places, TraceRequest, Window
from tempo_dask.errors import BadRequest, QueryFailed

_NOT_HEX = re.compile("[^0-9a-fA-F]")
#: What a mode is here; the last one is known, and not served.
_MODES: Mapping[str, Places] = {"": "all", "all": "all", "ingesters": "live", "blocks": "blocks", "external": "all"}


def decode_trace(text: str, arguments: Arguments, tenant: str) -> TraceRequest:
    """Return the lookup that a path and its parameters ask for; raises BadRequest with the client's text."""
    trace_id = parse_trace_id(text)
    window = _window(arguments)
    return TraceRequest(tenant, trace_id, window, _places(arguments))


def parse_trace_id(text: str) -> bytes:
    """Return the 16 bytes of a hex id of any case, padded with zeros on the left; raises BadRequest."""
    wrong = _NOT_HEX.search(text)
    if wrong is not None:
        place = f"invalid character '{wrong[0]}' at position {wrong.start() + 1}"
        msg = f"trace IDs can only contain hex characters: {place}"
        raise BadRequest(msg)
    if len(text) > 32:
        msg = "trace IDs can't be larger than 128 bits"
        raise BadRequest(msg)
    return bytes.fromhex(text.zfill(32))


def _window(arguments: Arguments) -> Window | None:
    start = arguments.read("start", lambda text: parse_integer(text, 64)) or 0
    end = arguments.read("end", lambda text: parse_integer(text, 64)) or 0
    if start and end and end <= start:
        msg = f"http parameter start must be before end. received start={start} end={end}"
        raise BadRequest(msg)
    if not start or not end:
        return None
    return Window(start * SECOND_NS, end * SECOND_NS)


def _places(arguments: Arguments) -> Places:
    """Return where to look; parameters that choose among blocks are checked, and all blocks are looked at."""
    mode = arguments.text("mode")
    if mode not in _MODES:
        msg = f"invalid value for mode {mode}"
        raise BadRequest(msg)
    for name, spelled in (("blockStart", "blockstart"), ("blockEnd", "blockEnd")):
        text = arguments.text(name)
        try:
            uuid.UUID(text or "0" * 32)
        except ValueError as error:
            msg = f"invalid value for {spelled}: invalid UUID length: {len(text)}"
            raise BadRequest(msg) from error
    arguments.read("rf1After", parse_rfc3339)
    if mode == "external":
        msg = "external mode is not enabled"
        raise QueryFailed(msg)
    return _MODES[mode]
