"""What a tenant may send. Nothing is limited unless an operator says so; the names are those of Tempo's overrides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Limits of one tenant. None and 0 are no limit, but a rate of 0 takes nothing at all."""

    rate_limit_bytes: float | None = None  # `ingestion.rate_limit_bytes`, a second
    burst_size_bytes: int = 0  # `ingestion.burst_size_bytes`; counts where there is a rate
    rate_strategy: Literal["local", "global"] = "local"  # `ingestion.rate_strategy`
    max_traces_per_user: int = 0  # `ingestion.max_traces_per_user`: live traces
    max_bytes_per_trace: int = 0  # `global.max_bytes_per_trace`
    max_attribute_bytes: int = 0  # `ingestion.max_attribute_bytes`: of keys and of strings
    retry_info_enabled: bool = True  # `ingestion.retry_info_enabled`: refusals say when to come back
    artificial_delay_s: float = 0.0  # `ingestion.artificial_delay`: pushes take at least that long


UNLIMITED = IngestLimits()

#: Returns the limits of a tenant as they are now. Called for every request, from the event loop: must be quick.
LimitsOf: TypeAlias = Callable[[str], IngestLimits]


def unlimited(_tenant: str) -> IngestLimits:
    """Return no limits, for any tenant."""
    return UNLIMITED
