"""What overrides of users come to: laid over the settings of the tenant, written out, or in conflict with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeAlias

from tempo_dask.config.section import parse_duration
from traceql.durations import format_duration

Tree: TypeAlias = Mapping[str, Any]

_SERVICE_GRAPHS: Tree = {
    "dimensions": None,
    "enable_client_server_prefix": False,
    "peer_attributes": None,
    "histogram_buckets": None,
}
_SPAN_METRICS: Tree = {
    "dimensions": None,
    "intrinsic_dimensions": None,
    "enable_target_info": False,
    "filter_policies": None,
    "histogram_buckets": None,
    "target_info_excluded_dimensions": None,
    "enable_instance_label": True,
}
#: All that is written out, with what holds where nobody says otherwise.
_UNSET: Tree = {
    "forwarders": None,
    "cost_attribution": {},
    "metrics_generator": {
        "processors": None,
        "disable_collection": False,
        "collection_interval": "0s",
        "trace_id_label_name": "",
        "ingestion_time_range_slack": "0s",
        "generate_native_histograms": "classic",
        "native_histogram_max_bucket_number": 100,
        "native_histogram_bucket_factor": 1.1,
        "native_histogram_min_reset_duration": "15m0s",
        "processor": {
            "service_graphs": _SERVICE_GRAPHS,
            "span_metrics": _SPAN_METRICS,
            "host_info": {"host_identifiers": None, "metric_name": ""},
        },
    },
}
_DURATIONS = frozenset({"collection_interval", "ingestion_time_range_slack", "native_histogram_min_reset_duration"})
_PROCESSORS = ("service_graphs", "span_metrics", "host_info")
#: What users may set and what no setting of a tenant is in conflict with.
_BESIDE = "processors"


def merged(limits: Tree, runtime: Tree) -> dict[str, Any]:
    """Return what users set over the settings of the tenant, every field written out; processors of both run."""
    generators = [_generator(runtime), _generator(limits)]
    found = _laid_over(_UNSET, _settable(runtime))
    found = _laid_over(found, _settable(limits))
    processors = sorted({name for generator in generators for name in generator.get(_BESIDE) or ()})
    found["metrics_generator"][_BESIDE] = processors or None
    return found


def conflicts(runtime: Tree) -> bool:
    """Return whether settings of a tenant speak of what users may set, but for `processors`."""
    settable = _settable(runtime)
    generator = {key: value for key, value in settable.get("metrics_generator", {}).items() if key != _BESIDE}
    return bool(generator or settable.get("forwarders") or settable.get("cost_attribution"))


def _settable(tree: Tree) -> dict[str, Any]:
    """Return of a tenant's settings what users may set too."""
    found: dict[str, Any] = {key: tree[key] for key in ("forwarders", "cost_attribution") if tree.get(key) is not None}
    known = _UNSET["metrics_generator"]
    generator = {key: _plain(key, value) for key, value in _generator(tree).items() if key in known}
    processor = generator.pop("processor", None) or {}
    if sections := {name: processor[name] for name in _PROCESSORS if processor.get(name)}:
        generator["processor"] = sections
    return {**found, "metrics_generator": generator} if generator else found


def _generator(tree: Tree) -> Tree:
    """Return the section of the metrics-generator; flat names of old stand in their sections."""
    generator = dict(tree.get("metrics_generator") or {})
    for key in [key for key in generator if key.startswith("processor_")]:
        section = next((name for name in _PROCESSORS if key.startswith(f"processor_{name}_")), None)
        value = generator.pop(key)
        if section is not None:
            sections = generator["processor"] = dict(generator.get("processor") or {})
            name = key.removeprefix(f"processor_{section}_")
            sections[section] = {**(sections.get(section) or {}), name: value}
    return {key: value for key, value in generator.items() if value is not None}


def _laid_over(tree: Tree, upper: Tree) -> dict[str, Any]:
    found = {key: _laid_over(value, {}) if isinstance(value, Mapping) else value for key, value in tree.items()}
    for key, value in upper.items():
        below = found.get(key)
        nested = isinstance(value, Mapping) and isinstance(below, Mapping)
        found[key] = _laid_over(below or {}, value) if nested else value
    return found


def _plain(key: str, value: Any) -> Any:
    """Return durations as they are printed: `90s` is `1m30s`, and a number is nanoseconds."""
    if key not in _DURATIONS:
        return value
    if isinstance(value, int | float):
        return format_duration(int(value))
    duration = parse_duration(value)
    return format_duration(duration // timedelta(microseconds=1) * 1000) if isinstance(duration, timedelta) else value
