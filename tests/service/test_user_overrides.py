"""Overrides of users in a store that several processes share: versions, what others stored, and what holds."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from storage.objects import open_store
from tempo_dask.errors import BadRequest, NotFound, PreconditionFailed, QueryFailed
from tempo_dask.overrides.users import UserOverrides, merge_patch

BODY = b'{"metrics_generator": {"processors": ["span-metrics"]}}'
TEMPOS_DEFAULTS = {"metrics_generator": {"processors": ["host-info"], "generate_native_histograms": "classic"}}


def process(path: Path, *, has_versions: bool = True, **options: Any) -> UserOverrides:
    """Return the overrides as one process sees them; others may have the same folder."""
    return UserOverrides(open_store(str(path)), has_versions=has_versions, **options)


def interval(seconds: int) -> bytes:
    return json.dumps({"metrics_generator": {"collection_interval": f"{seconds}s"}}).encode()


def test_a_change_must_know_what_it_changes(tmp_path: Path) -> None:
    overrides = process(tmp_path)
    first = overrides.put("a", BODY, "0")
    for wrong, text in (("0", "version does not match"), ("abc", "version is not valid")):
        with pytest.raises(PreconditionFailed, match=f"^{text}$"):
            overrides.put("a", b"{}", wrong)
    assert overrides.get("a")[1] == first
    second = overrides.put("a", b"{}", first)
    with pytest.raises(PreconditionFailed):
        overrides.delete("a", first)
    overrides.delete("a", second)
    for verb in (overrides.get, overrides.merged, lambda tenant: overrides.delete(tenant, second)):
        with pytest.raises(NotFound):
            verb("a")
    third = overrides.put("a", BODY, "0")
    assert third not in ("0", first, second)


@pytest.mark.parametrize(
    "setting",
    [
        '"collection_interval": "999999999999h"',
        '"collection_interval": 1e300',
        '"native_histogram_max_bucket_number": -1',
    ],
)
def test_numbers_that_go_nowhere_are_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(BadRequest):
        process(tmp_path).put("a", b'{"metrics_generator": {%s}}' % setting.encode(), "0")


def test_tenants_are_apart(tmp_path: Path) -> None:
    overrides = process(tmp_path)
    overrides.put("a", BODY, "0")
    with pytest.raises(NotFound):
        overrides.get("b")


def test_of_many_processes_one_wins(tmp_path: Path) -> None:
    """Each knows the same version; all but one are told that it is no longer so."""
    processes = [process(tmp_path) for _ in range(8)]
    version = processes[0].put("a", BODY, "0")

    def try_it(number: int) -> int | None:
        try:
            processes[number].put("a", interval(20 + number), version)
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        [winner] = [number for number in pool.map(try_it, range(8)) if number is not None]
    found, newest = processes[3].get("a")
    assert found["metrics_generator"]["collection_interval"] == f"{20 + winner}s"
    assert newest != version


def test_without_versions_no_patch_is_lost(tmp_path: Path) -> None:
    """As on local files, where every change is taken: eight that come at once are all there in the end."""
    names = ("dimensions", "peer_attributes")
    processes = [process(tmp_path, has_versions=False) for _ in names]

    def patch(number: int) -> str:
        graphs = {names[number]: [str(number)]}
        return processes[number].patch("a", {"metrics_generator": {"processor": {"service_graphs": graphs}}})[1]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(patch, range(2))) == ["0", "0"]
    graphs = processes[0].get("a")[0]["metrics_generator"]["processor"]["service_graphs"]
    assert graphs == {"dimensions": ["0"], "peer_attributes": ["1"]}


def test_a_patch_says_when_somebody_came_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = process(tmp_path)
    monkeypatch.setattr(overrides, "_follow", lambda *_: None)
    with pytest.raises(QueryFailed, match=r"^overrides have been modified during request processing, try again$"):
        overrides.patch("a", {})


def test_others_are_seen_at_the_next_look(tmp_path: Path) -> None:
    one, other = process(tmp_path), process(tmp_path)
    version = one.put("a", interval(20), "0")
    assert other.get("a")[1] == version
    assert (one.seen().keys(), other.seen()) == ({"a"}, {})
    other.poll()
    assert other.seen() == one.seen()
    assert other.merged("a")[0]["metrics_generator"]["collection_interval"] == "20s"
    one.delete("a", one.put("a", interval(30), version))
    other.poll()
    assert other.seen() == {}


def test_what_is_merged_has_every_field(tmp_path: Path) -> None:
    """Users' settings lie over an operator's, and processors of both run; old flat names are understood."""
    runtime = {
        "forwarders": ["one"],
        "metrics_generator": {
            "processors": ["service-graphs", "local-blocks"],
            "collection_interval": "60s",
            "max_active_series": 7,
            "processor_span_metrics_dimensions": ["x"],
            "processor": {"service_graphs": {"histogram_buckets": [1, 2]}},
        },
    }
    overrides = process(tmp_path, runtime_of=lambda _tenant: runtime)
    mine = {"processors": ["span-metrics"], "ingestion_time_range_slack": "90s", "processor": {"host_info": {}}}
    overrides.put("a", json.dumps({"metrics_generator": mine}).encode(), "0")
    found = overrides.merged("a")[0]
    generator = found["metrics_generator"]
    assert found["forwarders"] == ["one"]
    assert generator["processors"] == ["local-blocks", "service-graphs", "span-metrics"]
    assert (generator["collection_interval"], generator["ingestion_time_range_slack"]) == ("1m0s", "1m30s")
    assert generator["processor"]["span_metrics"]["dimensions"] == ["x"]
    assert generator["processor"]["span_metrics"]["enable_instance_label"] is True
    assert generator["processor"]["service_graphs"]["histogram_buckets"] == [1, 2]
    assert generator["processor"]["host_info"] == {"host_identifiers": None, "metric_name": ""}
    assert "max_active_series" not in generator


@pytest.mark.parametrize(
    ("runtime", "is_refused"),
    [
        ({}, False),
        ({"metrics_generator": {"processors": ["span-metrics"], "ring_size": 3}}, False),
        ({"metrics_generator": {"disable_collection": True}}, True),
        ({"metrics_generator": {"processor_host_info_metric_name": "x"}}, True),
        ({"forwarders": ["one"]}, True),
        ({"cost_attribution": {"dimensions": {"a": "b"}}}, True),
        (TEMPOS_DEFAULTS, True),
    ],
)
def test_what_an_operator_has_set_users_may_not(tmp_path: Path, runtime: dict[str, Any], is_refused: bool) -> None:
    careful = process(tmp_path, runtime_of=lambda _tenant: runtime, refuses_conflicts=True)
    careless = process(tmp_path, runtime_of=lambda _tenant: runtime)
    if is_refused:
        with pytest.raises(BadRequest, match=r"^tenant has conflicting overrides set in runtime config, contact"):
            careful.put("a", BODY, "0")
        with pytest.raises(BadRequest, match=r"^tenant has conflicting overrides"):
            careful.patch("a", {})
    version = careful.put("a", BODY, "0", despite_conflicts=True)
    assert careless.put("a", BODY, version) != version


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [  # of RFC 7396
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_patches_merge(target: dict[str, Any], patch: dict[str, Any], merged: dict[str, Any]) -> None:
    assert merge_patch(target, patch) == merged
