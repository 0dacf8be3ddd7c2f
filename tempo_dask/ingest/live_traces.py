"""Which traces of a tenant are live, and how large they are: what limits of traces are held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from tempo_dask import telemetry
from tempo_dask.ingest.limits import IngestLimits

TraceId: TypeAlias = tuple[int, int]

#: How often traces that are no longer live are forgotten, at most.
SWEEP_S = 1.0


@dataclass(frozen=True, slots=True)
class LivePeriods:
    """A trace is live until nothing came of it for so long, or until it has been live for so long."""

    idle_s: float = 5.0
    live_s: float = 30.0


@dataclass(slots=True)
class _Trace:
    size_bytes: int
    born_s: float
    seen_s: float


@dataclass(slots=True)
class LiveTraces:
    """The live traces of one tenant. Belongs to the thread that commits."""

    periods: LivePeriods = LivePeriods()
    _traces: dict[TraceId, _Trace] = field(default_factory=dict)
    _swept_s: float = 0.0

    def refusal(self, trace_id: TraceId, size_bytes: int, limits: IngestLimits, now_s: float) -> str | None:
        """Take more of a trace in, or return the reason why its spans are discarded."""
        self._sweep(now_s)
        trace = self._traces.get(trace_id)
        if trace is None:
            if 0 < limits.max_traces_per_user <= len(self._traces):
                return telemetry.LIVE_TRACES_EXCEEDED
            trace = self._traces[trace_id] = _Trace(0, now_s, now_s)
        trace.seen_s = now_s
        if 0 < limits.max_bytes_per_trace < trace.size_bytes + size_bytes:
            return telemetry.TRACE_TOO_LARGE
        trace.size_bytes += size_bytes
        return None

    def _sweep(self, now_s: float) -> None:
        if now_s - self._swept_s < SWEEP_S:
            return
        self._swept_s = now_s
        self._traces = {
            trace_id: trace
            for trace_id, trace in self._traces.items()
            if now_s - trace.seen_s < self.periods.idle_s and now_s - trace.born_s < self.periods.live_s
        }
