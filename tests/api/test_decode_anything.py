"""Whatever stands in a URL, decoding gives a request or a refusal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo_dask.api.decode_arguments import Arguments
from tempo_dask.api.decode_metrics import decode_query_instant, decode_query_range
from tempo_dask.api.decode_search import decode_search
from tempo_dask.api.decode_tag_requests import decode_key_values, decode_tag_names, decode_tag_values
from tempo_dask.api.decode_trace import decode_trace
from tempo_dask.api.limits import RequestLimits
from tempo_dask.engine.requests import (
    KeyValuesRequest,
    RangeRequest,
    SearchRequest,
    TagNamesRequest,
    TagValuesRequest,
    TraceRequest,
)
from tempo_dask.errors import TempoDaskError

NOW_NS = 1_700_000_000_000_000_000
Request = SearchRequest | RangeRequest | TraceRequest | TagNamesRequest | KeyValuesRequest | TagValuesRequest

PARAMETERS = """
q query tags start end since step limit scope spss minDuration maxDuration exemplars maxSeries mode rf1After
"""

names = st.sampled_from(PARAMETERS.split())
texts = st.one_of(
    st.text(max_size=20),
    st.text(st.sampled_from("0123456789.-+eE_:TZsmhdwy"), max_size=24),
    st.integers().map(str),
    st.sampled_from(["{ }", "{ } | rate()", "1h30m", "2024-01-01T00:00:00Z", "9" * 5000, "1e999999999", "0.1"]),
)
parameters = st.dictionaries(names, texts, max_size=5)


def _trace(arguments: Arguments) -> Request:
    return decode_trace(arguments.text("q") or "1", arguments, "t")


@pytest.mark.parametrize(
    "decode",
    [
        lambda arguments: decode_search(arguments, "t", NOW_NS, RequestLimits()),
        lambda arguments: decode_query_range(arguments, "t", NOW_NS, RequestLimits()),
        lambda arguments: decode_query_instant(arguments, "t", NOW_NS, RequestLimits()),
        lambda arguments: decode_tag_names(arguments, "t", NOW_NS, RequestLimits()),
        lambda arguments: decode_key_values("a", arguments, "t", NOW_NS, RequestLimits()),
        lambda arguments: decode_tag_values(arguments.text("q"), arguments, "t", NOW_NS, RequestLimits()),
        _trace,
    ],
    ids=["search", "range", "instant", "names", "values of keys", "values", "trace"],
)
@settings(deadline=None, max_examples=100)
@given(values=parameters)
def test_every_set_of_parameters_is_a_request_or_a_refusal(
    decode: Callable[[Arguments], Request], values: dict[str, str]
) -> None:
    try:
        request = decode(Arguments(values))
    except TempoDaskError as refusal:
        request = None
        said = str(refusal)
    else:
        said = request.tenant
    assert said
    if isinstance(request, RangeRequest):
        assert request.step_ns > 0
        assert request.start_ns < request.end_ns
