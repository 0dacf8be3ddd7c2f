"""Tempo's settings of the compactor."""

from __future__ import annotations

import pytest

from tempo_dask.config.file import parse
from tempo_dask.config.section import ConfigError
from tempo_dask.maintenance.limits import HOUR_NS, CompactionLimits


def test_defaults_are_tempos() -> None:
    assert parse("").compactor.compaction.limits() == CompactionLimits()
    assert not parse("compactor:\n").compactor.disabled


def test_settings_become_limits() -> None:
    text = """
    compactor:
      disabled: true
      compaction:
        compaction_window: 2h
        max_compaction_objects: 10
        max_block_bytes: 1000
        block_retention: 48h
        compacted_block_retention: 90s
        max_time_per_tenant: 1m
        compaction_cycle: 5s
    """
    compactor = parse(text).compactor
    assert compactor.disabled
    assert compactor.compaction.compaction_cycle.total_seconds() == 5
    assert compactor.compaction.limits() == CompactionLimits(
        compaction_window=2 * HOUR_NS,
        max_compaction_objects=10,
        max_block_bytes=1000,
        block_retention=48 * HOUR_NS,
        compacted_block_retention=90 * 10**9,
        max_time_per_tenant_s=60,
    )


def test_unknown_settings_are_named() -> None:
    with pytest.raises(ConfigError, match=r"line 3: unknown key compactor\.compaction\.bogus"):
        parse("compactor:\n  compaction:\n    bogus: 1\n")
