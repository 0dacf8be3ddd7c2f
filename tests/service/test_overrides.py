"""What holds for a tenant: both styles of names, the file of tenants and its reload."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tempo_dask.api.limits import HOUR_NS, RequestLimits
from tempo_dask.config import file as config
from tempo_dask.config.section import ConfigError
from tempo_dask.ingest.limits import UNLIMITED, IngestLimits
from tempo_dask.overrides.tenants import TenantSettings
from tempo_dask.request_limits import common_limits, tenant_limits

NEW = """
overrides:
  defaults:
    ingestion: {rate_limit_bytes: 10, burst_size_bytes: 20, max_traces_per_user: 3}
    global: {max_bytes_per_trace: 5}
"""
OLD = """
overrides:
  ingestion_rate_limit_bytes: 10
  ingestion_burst_size_bytes: 20
  max_traces_per_user: 3
  max_bytes_per_trace: 5
"""
WANTED = IngestLimits(rate_limit_bytes=10, burst_size_bytes=20, max_traces_per_user=3, max_bytes_per_trace=5)


def settings_of(text: str) -> TenantSettings:
    settings = TenantSettings(config.parse(text).overrides)
    settings.load()
    return settings


def with_file(path: Path, text: str, defaults: str = "{}") -> TenantSettings:
    path.write_text(text)
    return settings_of(f"overrides: {{defaults: {defaults}, per_tenant_override_config: {path}}}")


@pytest.mark.parametrize("text", [NEW, OLD])
def test_both_styles_say_the_same(text: str) -> None:
    assert settings_of(text).ingest_limits("anybody") == WANTED


def test_nothing_is_limited_unless_somebody_says_so() -> None:
    assert settings_of("{}").ingest_limits("anybody") == UNLIMITED


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("overrides: {defaults: {}, max_traces_per_user: 3}", "cannot be mixed"),
        (
            "overrides: {defaults: {ingestion: {rate_limit: 3}}}",
            "unknown key overrides.defaults.ingestion.rate_",
        ),
        ("overrides: {defaults: {ingestion: {rate_limit_bytes: -1}}}", "greater than or equal to 0"),
        ("overrides: {ingestion_rate: 3}", "unknown key"),
    ],
)
def test_what_is_not_known_stops_the_start(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        config.parse(text)


def test_an_entry_is_laid_over_the_defaults(tmp_path: Path) -> None:
    text = 'overrides: {a: {ingestion: {max_traces_per_user: 7}}, "*": {max_bytes_per_trace: 9}}'
    defaults = "{ingestion: {rate_limit_bytes: 3}, global: {max_bytes_per_trace: 5}}"
    settings = with_file(tmp_path / "tenants.yaml", text, defaults)
    common = IngestLimits(rate_limit_bytes=3, max_bytes_per_trace=5)
    assert settings.ingest_limits("a") == replace(common, max_traces_per_user=7)
    assert settings.ingest_limits("b") == replace(common, max_bytes_per_trace=9)
    assert [settings.source(tenant) for tenant in "ab"] == ["tenant-specific overrides", "wildcard overrides"]


def test_a_changed_file_is_taken_over_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    settings = with_file(path, "overrides: {a: {max_traces_per_user: 1}}")
    path.write_text("overrides: {a: {max_traces_per_user: 2}}")
    settings.reload()
    assert settings.ingest_limits("a").max_traces_per_user == 2
    for broken in (
        b"overrides: {a: {max_traces: 3}}", b"overrides: [", b"overrides: {a: {max_traces_per_user: x}}", b"\xff"
    ):  # fmt: skip
        path.write_bytes(broken)
        settings.reload()
        assert settings.ingest_limits("a").max_traces_per_user == 2
    path.unlink()
    settings.reload()
    assert settings.ingest_limits("a").max_traces_per_user == 2


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.yaml"):
        settings_of(f"overrides: {{per_tenant_override_config: {tmp_path / 'none.yaml'}}}")


def test_what_may_be_asked_is_bounded_for_all_and_for_one() -> None:
    text = """
query_frontend:
  search: {default_result_limit: 7, max_duration: 24h}
  metrics: {max_duration: 3h, max_exemplars: 5}
overrides: {defaults: {read: {max_search_duration: 1h, max_bytes_per_tag_values_query: 99}}}
"""
    found = config.parse(text)
    common = common_limits(found.query_frontend)
    own = tenant_limits(common, found.overrides.defaults.read, 11)
    assert (own.default_traces, own.max_exemplars, own.max_tag_bytes, own.max_trace_bytes) == (7, 5, 99, 11)
    assert (common.max_search_ns, own.max_search_ns, own.max_metrics_ns) == (24 * HOUR_NS, HOUR_NS, 3 * HOUR_NS)


def test_limits_that_nobody_sets_are_those_of_a_request() -> None:
    assert common_limits(config.Config().query_frontend) == RequestLimits()
