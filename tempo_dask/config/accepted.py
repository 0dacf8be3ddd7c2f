"""Keys of Tempo's that mean nothing here: they are taken, and it is said that they have no effect.

So a file written for Tempo starts, and a slip of the pen is still refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

#: Section -> its keys. What lies below a key that is no section here is not looked at.
_TEXT = {
    "": """
        auth_enabled backend_scheduler backend_scheduler_client backend_worker block_builder cache compactor distributor
        enable_go_runtime_metrics http_api_prefix ingest ingester ingester_client internal_server live_store
        live_store_client memberlist metrics_generator metrics_generator_client multitenancy_enabled overrides
        partition_ring_live_store querier query_frontend server shutdown_delay storage stream_over_http_enabled target
        usage_report
    """,
    "server": """
        cluster_validation create_new_traces graceful_shutdown_timeout grpc_collect_max_streams_by_conn
        grpc_listen_address grpc_listen_conn_limit grpc_listen_network grpc_listen_port grpc_server_keepalive_time
        grpc_server_keepalive_timeout grpc_server_max_concurrent_streams grpc_server_max_connection_age
        grpc_server_max_connection_age_grace grpc_server_max_connection_idle grpc_server_max_recv_msg_size
        grpc_server_max_send_msg_size grpc_server_min_time_between_pings grpc_server_num_workers
        grpc_server_ping_without_stream_allowed grpc_server_read_buffer_size grpc_server_recv_buffer_pools_enabled
        grpc_server_stats_tracking_enabled grpc_server_write_buffer_size grpc_tls_config http_listen_address
        http_listen_conn_limit http_listen_network http_listen_port http_log_closed_connections_without_response_enabled
        http_path_prefix http_server_idle_timeout http_server_read_header_timeout http_server_read_timeout
        http_server_write_timeout http_tls_config log_format log_level log_request_at_info_level_enabled
        log_request_exclude_headers_list log_request_headers log_source_ips_enabled log_source_ips_full
        log_source_ips_header log_source_ips_regex proxy_protocol_enabled register_instrumentation
        report_grpc_codes_in_instrumentation_label_enabled tls_cipher_suites tls_min_version
        trace_request_exclude_headers_list trace_request_headers
    """,
    "distributor": """
        extend_writes forwarders ingester_write_path_enabled kafka_config kafka_write_path_enabled log_discarded_spans
        log_received_spans max_attribute_bytes override_ring_key receivers retry_after_on_resource_exhausted ring usage
    """,
    "ingester": """
        complete_block_timeout concurrent_flushes flush_all_on_shutdown flush_check_period flush_object_storage
        flush_op_timeout lifecycler max_block_bytes max_block_duration override_ring_key partition_ring
        trace_idle_period trace_live_period
    """,
    "compactor": """
        compaction disabled override_ring_key ring
    """,
    "compactor.compaction": """
        block_retention compacted_block_retention compaction_cycle compaction_window max_block_bytes
        max_compaction_objects max_time_per_tenant retention_concurrency v2_in_buffer_bytes v2_out_buffer_bytes
        v2_prefetch_traces_count
    """,
    "querier": """
        frontend_worker max_concurrent_queries metrics partition_ring query_relevant_ingesters search
        shuffle_sharding_ingesters_enabled shuffle_sharding_ingesters_lookback_period trace_by_id
    """,
    "querier.search": """
        external_backend external_endpoints external_hedge_requests_at external_hedge_requests_up_to prefer_self
        query_timeout
    """,
    "query_frontend": """
        allowed_headers api_timeout log_query_request_headers max_batch_size max_outstanding_per_tenant
        max_query_expression_size_bytes max_retries mcp_server metadata metrics multi_tenant_queries_enabled
        query_end_cutoff response_consumers rf1_after search trace_by_id url_deny_list weights
    """,
    "query_frontend.search": """
        concurrent_jobs default_result_limit default_spans_per_span_set duration_slo ingester_shards max_duration
        max_result_limit max_spans_per_span_set most_recent_shards query_backend_after query_ingesters_until
        target_bytes_per_job throughput_bytes_slo
    """,
    "query_frontend.metrics": """
        concurrent_jobs duration_slo interval max_duration max_exemplars max_intervals max_response_series
        query_backend_after streaming_shards target_bytes_per_job throughput_bytes_slo
    """,
    "query_frontend.trace_by_id": """
        concurrent_shards duration_slo query_shards throughput_bytes_slo
    """,
    "storage": """
        trace
    """,
    "storage.trace": """
        azure backend background_cache block blocklist_poll blocklist_poll_concurrency blocklist_poll_fallback
        blocklist_poll_jitter_ms blocklist_poll_stale_tenant_index blocklist_poll_tenant_concurrency
        blocklist_poll_tenant_index_builders blocklist_poll_tolerate_consecutive_errors
        blocklist_poll_tolerate_tenant_failures cache cache_max_block_age cache_min_compaction_level
        empty_tenant_deletion_age empty_tenant_deletion_enabled gcs local memcached pool redis s3 search wal
    """,
    "storage.trace.wal": """
        ingestion_time_range_slack path search_encoding v2_encoding
    """,
    "storage.trace.s3": """
        access_key bucket bucket_lookup_type enable_dual_stack endpoint forcepathstyle hedge_requests_at
        hedge_requests_up_to insecure list_blocks_concurrency metadata native_aws_auth_enabled part_size prefix region
        secret_key session_token signature_v2 sse storage_class tags tls_ca_path tls_cert_path tls_cipher_suites
        tls_insecure_skip_verify tls_key_path tls_min_version tls_server_name
    """,
    "storage.trace.gcs": """
        bucket_name chunk_buffer_size endpoint hedge_requests_at hedge_requests_up_to insecure list_blocks_concurrency
        max_retries object_cache_control object_metadata prefix
    """,
    "storage.trace.azure": """
        buffer_size container_name endpoint_suffix hedge_requests_at hedge_requests_up_to max_buffers prefix
        storage_account_key storage_account_name use_federated_token use_managed_identity user_assigned_id
    """,
    "overrides": """
        defaults per_tenant_override_config per_tenant_override_period user_configurable_overrides
    """,
}
TEMPO_KEYS: Mapping[str, frozenset[str]] = {section: frozenset(keys.split()) for section, keys in _TEXT.items()}


def without_effect(tree: Any, model: type[BaseModel], section: str = "") -> Iterator[str]:
    """Yield the keys of a file that Tempo has and `model` has not."""
    if not isinstance(tree, Mapping):
        return
    for key, value in tree.items():
        path = f"{section}.{key}" if section else str(key)
        field = model.model_fields.get(key)
        if field is None:
            if key in TEMPO_KEYS.get(section, ()):
                yield path
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel) and path in TEMPO_KEYS:
            yield from without_effect(value, field.annotation, path)


def without_keys(tree: Any, paths: frozenset[str], section: str = "") -> Any:
    """Return a tree without the keys at some paths."""
    if not isinstance(tree, Mapping):
        return tree
    kept = ((key, value, f"{section}.{key}" if section else str(key)) for key, value in tree.items())
    return {key: without_keys(value, paths, path) for key, value, path in kept if path not in paths}
