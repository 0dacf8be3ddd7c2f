"""What the overrides of users may hold, in Tempo's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

from tempo_dask.config.section import LONGEST, parse_duration
from tempo_dask.errors import BadRequest
from traceql import TraceQLError, parse_attribute
from traceql.durations import format_duration

Tree: TypeAlias = Mapping[str, Any]
#: A field's name and what it is: the fields of an object, or a check of one value.
Fields: TypeAlias = Mapping[str, Any]

_PROCESSORS = (
    "service-graphs",
    "span-metrics",
    "local-blocks",
    "span-metrics-count",
    "span-metrics-latency",
    "span-metrics-size",
    "host-info",
)
_INTRINSIC_DIMENSIONS = ("service", "span_name", "span_kind", "status_code", "status_message")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9_]")


def _of(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types) and not (isinstance(value, bool) and bool not in types)


_TEXT, _SWITCH, _NUMBER, _DURATION = _of(str), _of(bool), _of(int, float), _of(str, int, float)


def _list_of(is_item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_item, value))


def _map_of(is_item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(is_item, value.values()))


_POLICY: Fields = {"match_type": _TEXT, "attributes": _list_of(_of(dict))}
_FIELDS: Fields = {
    "forwarders": _list_of(_TEXT),
    "cost_attribution": {"dimensions": _map_of(_TEXT)},
    "metrics_generator": {
        "processors": _list_of(_TEXT),
        "disable_collection": _SWITCH,
        "collection_interval": _DURATION,
        "trace_id_label_name": _TEXT,
        "ingestion_time_range_slack": _DURATION,
        "generate_native_histograms": _TEXT,
        "native_histogram_bucket_factor": _NUMBER,
        "native_histogram_max_bucket_number": lambda value: _of(int)(value) and 0 <= value < 1 << 32,
        "native_histogram_min_reset_duration": _DURATION,
        "processor": {
            "service_graphs": {
                "dimensions": _list_of(_TEXT),
                "enable_client_server_prefix": _SWITCH,
                "enable_messaging_system_latency_histogram": _SWITCH,
                "enable_virtual_node_label": _SWITCH,
                "peer_attributes": _list_of(_TEXT),
                "histogram_buckets": _list_of(_NUMBER),
            },
            "span_metrics": {
                "dimensions": _list_of(_TEXT),
                "intrinsic_dimensions": _map_of(_SWITCH),
                "dimension_mappings": _list_of(_of(dict)),
                "enable_target_info": _SWITCH,
                "filter_policies": _list_of(_of(dict)),
                "histogram_buckets": _list_of(_NUMBER),
                "target_info_excluded_dimensions": _list_of(_TEXT),
                "enable_instance_label": _SWITCH,
            },
            "host_info": {"host_identifiers": _list_of(_TEXT), "metric_name": _TEXT},
        },
    },
}


def check(limits: Tree) -> None:
    """Refuse what is not known or not allowed. Raises BadRequest with what clients are told."""
    _check_fields(limits, _FIELDS, "client.Limits")
    for name in limits.get("forwarders") or ():
        _refuse(f'forwarder "{name}" is not a known forwarder, contact your system administrator')
    generator = limits.get("metrics_generator") or {}
    _check_generator(generator)
    processor = generator.get("processor") or {}
    for name in ("service_graphs", "span_metrics"):
        _check_buckets(name, (processor.get(name) or {}).get("histogram_buckets") or ())
    _check_span_metrics(processor.get("span_metrics") or {})


def normal(limits: Tree) -> dict[str, Any]:
    """Return limits as they are given back: some objects are always there."""
    found = {key: value for key, value in limits.items() if value is not None}
    found.setdefault("cost_attribution", {})
    generator = dict(found.get("metrics_generator") or {})
    empty: dict[str, Any] = {"service_graphs": {}, "span_metrics": {}, "host_info": {}}
    generator["processor"] = {**empty, **(generator.get("processor") or {})}
    order = ("forwarders", "cost_attribution", "metrics_generator")
    found["metrics_generator"] = generator
    return {key: found[key] for key in order if key in found}


def _refuse(text: str) -> None:
    raise BadRequest(text)


def _check_fields(tree: Any, fields: Fields, where: str) -> None:
    if not isinstance(tree, Mapping):
        _refuse(f"{where}: expect {{ or n, but found {tree!r}")
    for key, value in tree.items():
        if key not in fields:
            _refuse(f"{where}.ReadObject: found unknown field: {key}")
        expected = fields[key]
        if value is None:
            continue
        if isinstance(expected, Mapping):
            _check_fields(value, expected, f"{where}.{key}")
        elif not expected(value):
            _refuse(f"{where}.{key}: unexpected value {value!r}")


def _check_generator(generator: Tree) -> None:
    for name in generator.get("processors") or ():
        if name not in _PROCESSORS:
            known = " ".join(_PROCESSORS)
            _refuse(f'metrics_generator.processor "{name}" is not a known processor, valid values: [{known}]')
    _check_range(generator, "collection_interval", (timedelta(seconds=15), timedelta(minutes=5)), "15s to 5m")
    _check_range(generator, "ingestion_time_range_slack", (timedelta(), timedelta(hours=12)), "0s to 12h")
    _check_range(generator, "native_histogram_min_reset_duration", (timedelta.min, timedelta.max), "")
    if (factor := generator.get("native_histogram_bucket_factor")) is not None and factor <= 1:
        _refuse("metrics_generator.native_histogram_bucket_factor must be greater than 1")
    form = generator.get("generate_native_histograms")
    if form and form not in ("classic", "native", "both"):
        _refuse(
            f'metrics_generator.generate_native_histograms "{form}" is not a valid value, '
            "valid values: classic, native, both"
        )
    label = generator.get("trace_id_label_name")
    if label and not _LABEL.fullmatch(label):
        _refuse(f'trace_id_label_name "{label}" is not a valid Prometheus label name')


def _check_range(generator: Tree, name: str, bounds: tuple[timedelta, timedelta], words: str) -> None:
    value = generator.get(name)
    if value is None:
        return
    if isinstance(value, str):
        text = value.removeprefix("-")
        try:
            duration = parse_duration(text)
        except ValueError:
            duration = None
        if not isinstance(duration, timedelta):
            _refuse(f'{name}: time: invalid duration "{value}"')
            return
        found = duration if text == value else -duration
        nanoseconds = found // timedelta(microseconds=1) * 1000
    else:
        nanoseconds = int(value)
        if abs(nanoseconds) // 1000 > LONGEST // timedelta(microseconds=1):
            _refuse(f'{name}: time: invalid duration "{value}"')
        found = timedelta(microseconds=nanoseconds // 1000)
    if not bounds[0] <= found <= bounds[1]:
        shown = format_duration(nanoseconds)
        _refuse(f'metrics_generator.{name} "{shown}" is outside acceptable range of {words}')


def _check_buckets(name: str, buckets: Iterable[float]) -> None:
    found = list(buckets)
    for at in range(1, len(found)):
        if found[at] <= found[at - 1]:
            _refuse(
                f"metrics_generator.processor.{name}.histogram_buckets must be strictly increasing: "
                f"bucket[{at}]={found[at]:g} is <= bucket[{at - 1}]={found[at - 1]:g}"
            )


def _check_span_metrics(settings: Tree) -> None:
    for name in settings.get("intrinsic_dimensions") or ():
        if name not in _INTRINSIC_DIMENSIONS:
            known = " ".join(_INTRINSIC_DIMENSIONS)
            _refuse(f'intrinsic dimension "{name}" is not supported, valid values: [{known}]')
    _check_labels(settings)
    for policy in settings.get("filter_policies") or ():
        _check_policy(policy)


def _check_labels(settings: Tree) -> None:
    """Two dimensions must not make one label."""
    seen: dict[str, str] = {}
    for name in settings.get("dimensions") or ():
        _take_label(seen, name, f'dimension "{name}"')
    for mapping in settings.get("dimension_mappings") or ():
        name = mapping.get("name") or ""
        if not name:
            _refuse("dimension_mappings: name cannot be empty")
        if not mapping.get("source_labels"):
            _refuse(f'dimension_mappings: source_labels cannot be empty for mapping with name "{name}"')
        _take_label(seen, name, f'dimension_mapping "{name}"')


def _take_label(seen: dict[str, str], name: str, what: str) -> None:
    label = _NOT_IN_LABELS.sub("_", name)
    if label in seen:
        _refuse(f'{what} produces label "{label}" which collides with {seen[label]}')
    seen[label] = what


def _check_policy(policy: Tree) -> None:
    sides = {side: policy.get(side) for side in ("include", "exclude")}
    if not any(sides.values()):
        _refuse("invalid filter policy; policies must have at least an `include` or `exclude`: {<nil> <nil>}")
    for side, rule in sides.items():
        if not rule:
            continue
        if rule.get("match_type") not in ("strict", "regex"):
            _refuse(f"invalid {side} policy: invalid match type: {rule.get('match_type')}")
        for attribute in rule.get("attributes") or ():
            key = attribute.get("key") or ""
            try:
                parse_attribute(key)
            except TraceQLError as error:
                _refuse(f"invalid {side} policy: failed to parse identifier {key}: {error}")
