"""Random query texts over the keys and values of `spans`; not all of them are valid."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.engine.spans import KEYS, TEXTS

_ATTRIBUTES = [
    f"{scope}.{key}" for scope in ("span", "", "resource", "event", "link", "instrumentation") for key in KEYS
]
_TEXTS = [f'"{text}"' for text in TEXTS] + ['"one"', '"s"', '"e"', '"m"', '"lib"', '"aa"', '"00000000000000aa"']
_NUMBERS = ["0", "1", "-1", "2", "1.0", "2.5", "-1.5", "5ns", "1us"]
_INTRINSICS = {
    "text": [
        "name",
        "statusMessage",
        "rootName",
        "rootServiceName",
        "event:name",
        "instrumentation:name",
        "instrumentation:version",
    ],
    "number": [
        "duration",
        "traceDuration",
        "nestedSetLeft",
        "nestedSetRight",
        "nestedSetParent",
        "span:childCount",
        "event:timeSinceStart",
    ],
}
_ORDERS = ["=", "!=", "<", "<=", ">", ">="]

attribute = st.sampled_from(_ATTRIBUTES)
text = st.sampled_from(_TEXTS)
number = st.sampled_from(_NUMBERS)
numeric = st.recursive(
    st.sampled_from(_INTRINSICS["number"]) | attribute | number,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(list("+-*/%^")), inner) | st.builds("-({})".format, inner)
    ),
    max_leaves=3,
)
comparison = st.one_of(
    st.builds("{} {} {}".format, attribute, st.sampled_from(_ORDERS), text | number),
    st.builds("{} {} {}".format, attribute, st.sampled_from(_ORDERS), attribute),
    st.builds("{} {} {}".format, attribute, st.sampled_from(["=", "!="]), st.sampled_from(["true", "false", "nil"])),
    st.builds(
        "{} {} {}".format,
        st.sampled_from(_INTRINSICS["text"]) | attribute,
        st.sampled_from(["=~", "!~"]),
        st.sampled_from(['"x.*"', '"one|s"', '""']),
    ),
    st.builds("{} {} {}".format, st.sampled_from(_INTRINSICS["text"]), st.sampled_from(_ORDERS), text),
    st.builds("{} {} {}".format, numeric, st.sampled_from(_ORDERS), numeric),
    st.builds("{} {} {}".format, text | number, st.sampled_from(["=", "!="]), attribute),
    st.sampled_from(["status = error", "status != ok", "kind = server", "kind != internal", 'span:id != ""', "true"]),
    st.sampled_from(['trace:id = "1"', 'span:parentID = "0000000000000001"', 'span:parentID != ""']),
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["link:traceID", "link:spanID"]),
        st.sampled_from(["=", "!="]),
        st.sampled_from(['"aa"', '"00000000000000aa"', '"bbbbbbbbbbbbbbbb"', '""']),
    ),
    attribute,
)
field = st.recursive(
    comparison,
    lambda inner: st.one_of(
        st.builds("({}) && ({})".format, inner, inner),
        st.builds("({}) || ({})".format, inner, inner),
        st.builds("!({})".format, inner),
    ),
    max_leaves=4,
)
spanset = st.builds("{{ {} }}".format, field) | st.just("{ }")
structural = st.sampled_from(
    [f"{prefix}{op}" for prefix in ("", "!", "&") for op in (">", ">>", "<", "<<", "~")] + ["&&", "||"]
)
spansets = st.recursive(spanset, lambda inner: st.builds("({} {} {})".format, inner, structural, inner), max_leaves=3)
_GROUPED = ["name", "status", "kind", ".a", "resource.b", "span.a", "duration > 1", "1 + span.a", "rootName"]
aggregate = st.just("count()") | st.builds(
    "{}({})".format,
    st.sampled_from(["min", "max", "sum", "avg"]),
    st.sampled_from(["duration", "span.a", ".b", "span:childCount", "duration + 1ns"]),
)
stage = st.one_of(
    spansets,
    st.builds("{} {} {}".format, aggregate, st.sampled_from(_ORDERS), st.sampled_from(["0", "1", "2", "1.5", "5ns"])),
    st.builds("by({})".format, st.sampled_from(_GROUPED)),
    st.just("coalesce()"),
    st.lists(st.sampled_from(["span.a", ".b", "resource.a", "status", "kind"]), min_size=1, max_size=2).map(
        lambda shown: f"select({', '.join(shown)})"
    ),
)


def _piped(first: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    return st.builds(lambda head, rest: " | ".join([head, *rest]), first, st.lists(stage, max_size=most))


bracketed = st.builds(
    "({}) {} ({})".format, _piped(spanset, 2), st.sampled_from(["&&", "||", ">", ">>", "~"]), _piped(spanset, 2)
)
pipelines = _piped(spansets | bracketed, 3)
