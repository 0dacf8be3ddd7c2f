"""What a file says that cannot be meant: refused at the start, or warned of, and all of Tempo's keys are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tempo_dask.config.file import parse
from tempo_dask.config.section import ConfigError

SEARCH, METRICS = "query_frontend: {search: %s}", "query_frontend: {metrics: %s}"
COLUMNS = "storage: {trace: {block: {parquet_dedicated_columns: [%s]}}}"
COLUMN = "{scope: span, name: %s, type: string}"
USERS = "overrides: {user_configurable_overrides: {enabled: true, client: %s}}"
S3 = "{backend: s3, s3: {bucket: b, prefix: %s}}"
#: Every key of Tempo's that its users set, as its manual has them, with its defaults.
TEMPOS_KEYS = """
target: all
multitenancy_enabled: false
http_api_prefix: ""
stream_over_http_enabled: true
shutdown_delay: 0s
enable_go_runtime_metrics: false
server: {http_listen_port: 3200, grpc_listen_port: 9095, http_server_read_timeout: 30s, http_server_write_timeout: 30s,
  http_server_idle_timeout: 2m, grpc_server_max_recv_msg_size: 16777216, grpc_server_max_send_msg_size: 16777216,
  log_level: info, log_format: logfmt}
distributor:
  receivers: {otlp: {protocols: {grpc: {endpoint: "localhost:4317"}}}}
  max_attribute_bytes: 2048
  retry_after_on_resource_exhausted: 0s
  log_received_spans: {enabled: false, include_all_attributes: false, filter_by_status_error: false}
  log_discarded_spans: {enabled: false, include_all_attributes: false, filter_by_status_error: false}
  forwarders: []
  usage: {cost_attribution: {enabled: false, max_cardinality: 10000, stale_duration: 15m}}
ingester: {trace_idle_period: 5s, trace_live_period: 30s, flush_check_period: 10s, max_block_duration: 30m,
  max_block_bytes: 524288000, complete_block_timeout: 15m, concurrent_flushes: 4, flush_op_timeout: 5m,
  flush_all_on_shutdown: false, flush_object_storage: true, lifecycler: {ring: {replication_factor: 1}}}
storage:
  trace:
    backend: local
    local: {path: /var/tempo/blocks}
    s3: {bucket: b, endpoint: e, region: r, access_key: a, secret_key: s, insecure: false, forcepathstyle: true,
      prefix: p}
    gcs: {bucket_name: b, prefix: p}
    azure: {storage_account_name: a, container_name: c}
    wal: {path: /var/tempo/wal, ingestion_time_range_slack: 2m}
    block: {version: vParquet4, bloom_filter_false_positive: 0.01, bloom_filter_shard_size_bytes: 102400,
      parquet_row_group_size_bytes: 100000000, parquet_dedicated_columns: []}
    search: {read_buffer_count: 32, read_buffer_size_bytes: 1048576,
      cache_control: {footer: false, column_index: false, offset_index: false}}
    pool: {max_workers: 400, queue_depth: 20000}
    blocklist_poll: 5m
    blocklist_poll_concurrency: 50
    blocklist_poll_fallback: true
    blocklist_poll_tenant_index_builders: 2
    blocklist_poll_stale_tenant_index: 0s
    blocklist_poll_jitter_ms: 0
    blocklist_poll_tolerate_consecutive_errors: 1
    blocklist_poll_tolerate_tenant_failures: 1
    empty_tenant_deletion_enabled: false
compactor:
  disabled: false
  compaction: {compaction_window: 1h, max_compaction_objects: 6000000, max_block_bytes: 107374182400,
    block_retention: 336h, compacted_block_retention: 1h, retention_concurrency: 10, max_time_per_tenant: 5m,
    compaction_cycle: 30s}
querier: {max_concurrent_queries: 20, search: {query_timeout: 30s}, frontend_worker: {parallelism: 2},
  trace_by_id: {query_timeout: 10s}}
query_frontend:
  max_outstanding_per_tenant: 2000
  max_batch_size: 7
  max_retries: 2
  response_consumers: 10
  search: {concurrent_jobs: 1000, target_bytes_per_job: 104857600, default_result_limit: 20, max_result_limit: 262144,
    max_duration: 168h, query_backend_after: 15m, query_ingesters_until: 30m, ingester_shards: 3,
    most_recent_shards: 200, default_spans_per_span_set: 3, max_spans_per_span_set: 100, duration_slo: 0s,
    throughput_bytes_slo: 0}
  trace_by_id: {query_shards: 50, concurrent_shards: 0, duration_slo: 0s}
  metrics: {concurrent_jobs: 1000, target_bytes_per_job: 104857600, max_duration: 3h, query_backend_after: 30m,
    interval: 5m, max_exemplars: 100, max_response_series: 0, streaming_shards: 200, max_intervals: 10000}
  metadata: {duration_slo: 0s, throughput_bytes_slo: 0}
  api_timeout: 0s
  multi_tenant_queries_enabled: true
  query_end_cutoff: 0s
  max_query_expression_size_bytes: 131072
  url_deny_list: []
  allowed_headers: []
  log_query_request_headers: ""
  mcp_server: {enabled: false}
  weights: {request_with_weights: true, retry_with_weights: true, max_traceql_conditions: 4, max_regex_conditions: 1}
cache: {background: {writeback_goroutines: 10, writeback_buffer: 10000},
  caches: [{roles: [bloom, parquet-footer], memcached: {host: m}}, {roles: [frontend-search], redis: {endpoint: r}}]}
metrics_generator: {}
memberlist: {join_members: [], bind_port: 7946}
usage_report: {reporting_enabled: true}
overrides:
  defaults:
    ingestion: {rate_strategy: local, rate_limit_bytes: 15000000, burst_size_bytes: 20000000,
      max_traces_per_user: 10000, max_global_traces_per_user: 0, tenant_shard_size: 0, max_attribute_bytes: 0,
      artificial_delay: 0s, retry_info_enabled: true}
    read: {max_bytes_per_tag_values_query: 1000000, max_blocks_per_tag_values_query: 0, max_search_duration: 0s,
      max_metrics_duration: 0s, unsafe_query_hints: false}
    compaction: {block_retention: 0s, compaction_window: 0s, compaction_disabled: false}
    metrics_generator: {processors: [], max_active_series: 0}
    global: {max_bytes_per_trace: 5000000}
    forwarders: []
    storage: {parquet_dedicated_columns: []}
    cost_attribution: {dimensions: {}, max_cardinality: 0}
  per_tenant_override_period: 10s
  user_configurable_overrides: {enabled: false, poll_interval: 1m, client: {backend: local, confirm_versioning: true},
    api: {check_for_conflicting_runtime_overrides: false}}
"""


def test_every_key_of_tempos_is_taken() -> None:
    config = parse(TEMPOS_KEYS)
    assert config.warnings == ()
    acting = {"compactor", "overrides", "server", "multitenancy_enabled", "http_api_prefix", "stream_over_http_enabled"}
    assert acting <= yaml.safe_load(TEMPOS_KEYS).keys() - set(config.without_effect)


def test_defaults_are_neither_refused_nor_warned_of() -> None:
    assert parse("").warnings == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            SEARCH % "{query_ingesters_until: 10m}",
            "query backend after should be less than or equal to query ingester until",
        ),
        (SEARCH % "{concurrent_jobs: 0}", "query_frontend.search.concurrent_jobs should be greater than 0"),
        (METRICS % "{target_bytes_per_job: -1}", "query_frontend.metrics.target_bytes_per_job should be greater"),
        (METRICS % "{interval: 0s}", "query_frontend.metrics.interval should be greater than 0"),
        ("query_frontend: {query_end_cutoff: 16m}", "query end cutoff should be less than or equal to query backend"),
        ("storage: {trace: {block: {version: vParquet}}}", "vParquet is not a valid block version"),
        ("cache: {caches: [{memcached: {host: a}, redis: {endpoint: b}}]}", "both memcached and redis"),
        ("cache: {caches: [{roles: [bloom]}, {roles: [bloom]}]}", "role bloom is claimed more than once"),
        ("cache: {caches: [{roles: [blooms]}]}", "blooms is not a known role"),
        ('distributor: {receivers: {otlp: {protocols: {grpc: {endpoint: "localhost:99999"}}}}}', "HOST:PORT"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(text)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("ingester: {complete_block_timeout: 1m}", "ingester.complete_block_timeout < storage.trace.blocklist_poll"),
        ("compactor: {compaction: {block_retention: 1m}}", "block_retention < storage.trace.blocklist_poll"),
        ("compactor: {compaction: {retention_concurrency: 0}}", "retention_concurrency is 0"),
        ("storage: {trace: {blocklist_poll_concurrency: 0}}", "blocklist_poll_concurrency is 0"),
        ("target: scalable-single-binary", "storage.trace.backend is local while target is scalable-single-binary"),
        ("distributor: {log_received_spans: {enabled: true}}", "log_received_spans is enabled"),
        ("distributor: {log_discarded_spans: {enabled: true}}", "log_discarded_spans is enabled"),
        ("query_frontend: {mcp_server: {enabled: true}}", "mcp_server is enabled"),
        (COLUMNS % "{scope: event, name: a, type: string}", "invalid dedicated columns"),
        (COLUMNS % f"{COLUMN % 'a'}, {COLUMN % 'a'}", "invalid dedicated columns"),
        (COLUMNS % ", ".join(COLUMN % f"a{n}" for n in range(11)), "at most 10 of the scope span"),
        ("overrides: {max_traces_per_user: 3}", "flat names of old"),
        ("storage: {trace: {cache: memcached, memcached: {host: a}}}", "storage.trace.memcached is deprecated"),
        ("compactor: {compaction: {v2_in_buffer_bytes: 1}}", "v2_in_buffer_bytes is of blocks of version 2 alone"),
        (f"storage: {{trace: {S3 % 'p'}}}\n{USERS % (S3 % 'p')}", "are the same place"),
        ("query_frontend: {trace_by_id: {concurrent_shards: 51}}", "concurrent_shards > query_frontend.trace_by_id"),
    ],
)
def test_what_is_probably_not_meant_is_warned_of(text: str, warning: str) -> None:
    assert any(warning in told for told in parse(text).warnings), parse(text).warnings


def test_places_of_their_own_are_fine() -> None:
    assert parse(f"storage: {{trace: {S3 % 'p'}}}\n{USERS % (S3 % 'users')}").warnings == ()
    assert parse("overrides: {user_configurable_overrides: {enabled: true}}").warnings == ()


def test_a_flag_may_be_what_is_wrong() -> None:
    flags = {"storage": {"trace": {"blocklist_poll": "20m"}}}
    assert "complete_block_timeout" in parse("", flags).warnings[0]


def test_verifying_ends_with_an_error_where_there_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "tempo.yaml"
    file.write_text("query_frontend: {mcp_server: {enabled: true}}")
    command = [sys.executable, "-m", "tempo_dask.cli", f"-config.file={file}", "-config.verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("warning: query_frontend.mcp_server is enabled")
