"""Hypothesis strategies: spans with few ids and times, so that they collide."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.otlp_oracle import WRAP, Event, Link, Resource, Scope, Span

trace_ids = st.sampled_from([bytes(15) + b"\x01", b"\xff" * 16, bytes(7) + b"\x01" + bytes(8), b"\x80" + bytes(15)])
span_ids = st.sampled_from([bytes([n]) + bytes(7) for n in (1, 2, 3, 128, 255)] + [bytes(7) + b"\x01"])
times = st.one_of(st.integers(1_000, 1_006), st.sampled_from([0, 1, 2**63 - 1, 2**63, WRAP - 1]))
texts = st.sampled_from(["", "a", "GET /", "é", "x" * 40])
scalars = st.one_of(
    st.tuples(st.just("str"), texts),
    st.tuples(st.just("int"), st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)])),
    st.tuples(st.just("float"), st.sampled_from(["0000000000000000", "8000000000000000", "3ff8000000000000"])),
    st.tuples(st.just("float"), st.sampled_from(["7ff8000000000000", "fff0000000000000"])),
    st.tuples(st.just("bool"), st.booleans()),
)
values = st.recursive(
    scalars | st.tuples(st.just("bytes"), st.binary(max_size=3)) | st.just(("none",)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: ("array", *items)),
        st.lists(st.tuples(texts, inner), max_size=2).map(lambda items: ("kvlist", *items)),
    ),
    max_leaves=4,
)
keys = st.sampled_from(["service.name", "a", "a.b::c", "opentracing.ref_type"])
attributes = st.lists(st.tuples(keys, values), max_size=4).map(lambda pairs: tuple(sorted(pairs, key=repr)))
counts = st.sampled_from([0, 0, 0, 3, 2**32 - 1])
resources = st.builds(Resource, attributes, counts, texts)
scopes = st.builds(Scope, texts, texts, attributes, counts, texts)
events = st.builds(Event, times, texts, attributes, counts)
links = st.builds(Link, st.none() | trace_ids, st.none() | span_ids, texts, counts, attributes, counts)
spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=st.none() | span_ids,
    start=times,
    end=times,
    name=texts,
    kind=st.sampled_from([0, 1, 2, 3, 3, 2, -1]),
    status=st.integers(0, 2),
    status_message=texts,
    trace_state=texts,
    flags=counts,
    attributes=attributes,
    dropped_attributes=counts,
    dropped_events=counts,
    dropped_links=counts,
    events=st.lists(events, max_size=2).map(tuple),
    links=st.lists(links, max_size=2).map(tuple),
    resource=resources,
    scope=scopes,
)
#: Spans that differ in little else than ids, kind, parent and start: what trees are made of.
tree_spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=st.none() | span_ids,
    start=st.integers(1_000, 1_004),
    end=st.integers(1_000, 1_010),
    name=st.sampled_from(["a", "b"]),
    kind=st.sampled_from([1, 2, 3]),
    status=st.integers(0, 2),
    status_message=st.just(""),
    trace_state=st.just(""),
    flags=st.just(0),
    attributes=st.just(()),
    dropped_attributes=st.just(0),
    dropped_events=st.just(0),
    dropped_links=st.just(0),
    events=st.just(()),
    links=st.just(()),
    resource=st.sampled_from(
        [Resource(()), Resource((("service.name", ("str", "x")),)), Resource((("service.name", ("str", "y")),))]
    ),
    scope=st.just(Scope()),
)
