"""What the table of traces says of each trace, from its spans."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from storage.kernels.signatures import BOOL, I32, I64, OUT_I32, OUT_I64, OUT_U32, Array, returns

_ERROR = 2


@njit(returns(OUT_I64, OUT_I64, OUT_I32)(I32, I64, I64, BOOL), cache=True, nogil=True)
def trace_bounds(bounds: Array, starts: Array, durations: Array, is_root: Array) -> tuple[Array, Array, Array]:
    """Return per trace its earliest start, its latest end and its root (the one that starts last), -1 if none.

    A span that ends before it starts counts as ending at its start.
    """
    traces = bounds.size - 1
    first = np.empty(traces, np.int64)
    last = np.empty(traces, np.int64)
    roots = np.full(traces, np.int32(-1))
    for trace in range(traces):
        begin = bounds[trace]
        first[trace] = starts[begin]
        last[trace] = starts[begin]
        for span in range(begin, bounds[trace + 1]):
            first[trace] = min(first[trace], starts[span])
            last[trace] = max(last[trace], starts[span], starts[span] + durations[span])
            if is_root[span] and (roots[trace] < 0 or starts[span] >= starts[roots[trace]]):
                roots[trace] = span
    return first, last, roots


@njit(
    returns(OUT_I32, OUT_I32, OUT_U32, OUT_U32)(I32, I32, I32, types.int64),
    cache=True,
    nogil=True,
)
def count_by_service(
    bounds: Array, services: Array, statuses: Array, service_count: int
) -> tuple[Array, Array, Array, Array]:
    """Return per trace and service its spans and those with status error, services in order of appearance.

    The result is a list per trace: offsets, services, spans, errors.
    """
    traces = bounds.size - 1
    offsets = np.zeros(traces + 1, np.int32)
    entry = np.full(service_count, np.int32(-1))  # last entry that counts the service
    names = np.empty(services.size, np.int32)
    spans = np.zeros(services.size, np.uint32)
    errors = np.zeros(services.size, np.uint32)
    count = 0
    for trace in range(traces):
        first = count
        for span in range(bounds[trace], bounds[trace + 1]):
            service = services[span]
            if entry[service] < first:
                entry[service] = count
                names[count] = service
                count += 1
            at = entry[service]
            spans[at] += 1
            errors[at] += statuses[span] == _ERROR
        offsets[trace + 1] = count
    return offsets, names[:count].copy(), spans[:count].copy(), errors[:count].copy()
