"""Every kernel beside the NumPy code that does the same: tests and benchmarks read this one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tempo_dask.kernels.aggregates import reduce_by_group, reduce_runs
from tempo_dask.kernels.buckets import BUCKETS, count_buckets, quantile_exponents
from tempo_dask.kernels.predicates import any_in_list, any_of_owner, between, look_up
from tempo_dask.kernels.series import cells_of, count_cells, smallest_hashes, steps_of, take_codes
from tempo_dask.kernels.traces import count_matches, newest_matches, spread, traces_with_both

Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class Twin:
    """A kernel, its NumPy twin, and what makes arguments for so many rows."""

    name: str
    kernel: Callable[..., Any]
    numpy: Callable[..., Any]
    arguments: Callable[[np.random.Generator, int], Arguments]


def _offsets(rng: np.random.Generator, rows: int) -> Any:
    cuts = np.sort(rng.integers(0, rows + 1, max(rows // 8, 1)))
    return np.concatenate([[0], cuts, [rows]])


def _mask(rng: np.random.Generator, rows: int) -> Any:
    return rng.integers(0, 2, rows).astype(np.uint8)


def _floats(rng: np.random.Generator, rows: int) -> Any:
    return rng.choice(np.array([np.nan, -np.inf, np.inf, 0.0, 1.5, -2.5]), rows)


def _look_up(codes: Any, table: Any) -> Any:
    inside = (codes >= 0) & (codes < len(table))
    return np.where(inside, np.append(table, 0)[np.where(inside, codes, 0)], 0).astype(np.uint8)


def _any_in_list(elements: Any, offsets: Any) -> Any:
    sums = np.concatenate([[0], np.cumsum(elements, dtype=np.int64)])
    return (sums[offsets[1:]] > sums[offsets[:-1]]).astype(np.uint8)


def _any_of_owner(mask: Any, owners: Any, count: int) -> Any:
    return (np.bincount(owners, weights=mask, minlength=count)[:count] > 0).astype(np.uint8)


def _count_matches(mask: Any, offsets: Any) -> Any:
    sums = np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])
    return sums[offsets[1:]] - sums[offsets[:-1]]


def _traces_with_both(left: Any, right: Any, offsets: Any) -> Any:
    return np.flatnonzero((_count_matches(left, offsets) > 0) & (_count_matches(right, offsets) > 0))


def _newest_matches(mask: Any, offsets: Any, starts: Any, limit: int) -> Any:
    traces = np.flatnonzero(_count_matches(mask, offsets))[::-1]
    return traces[starts[traces] >= starts[traces[limit - 1]]] if len(traces) > limit else traces


def _newest_arguments(rng: np.random.Generator, rows: int, few: int) -> Arguments:
    offsets = _offsets(rng, rows)
    return _few(rng, rows, few), offsets, np.sort(rng.integers(0, len(offsets) // 3 + 1, len(offsets) - 1)), 5


def _few(rng: np.random.Generator, rows: int, one_in: int) -> Any:
    return (rng.integers(0, one_in, rows) == 0).astype(np.uint8)


def _steps(times: Any, first: int, step: int, count: int) -> Any:
    steps = (times - first - 1) // step
    return np.where((times > first) & (steps < count), steps, -1).astype(np.int32)


def _count_cells(times: Any, mask: Any, rows: Any, codes: Any, group_count: int, steps: tuple[int, int, int]) -> Any:
    at = _steps(times, *steps)
    kept = (mask == 1) & (at >= 0)
    cells = codes[rows[kept]].astype(np.int64) * steps[2] + at[kept]
    return np.bincount(cells, minlength=group_count * steps[2]).reshape(group_count, steps[2])


def _cells_of(times: Any, rows: Any, codes: Any, steps: tuple[int, int, int]) -> Any:
    at = _steps(times, *steps)
    return np.where(at >= 0, codes[rows].astype(np.int64) * steps[2] + at, -1)


def _count_buckets(values: Any, mask: Any, cells: Any, count: int) -> Any:
    kept = (mask == 1) & (values >= 2) & (cells >= 0)
    buckets = np.array([(value - 1).bit_length() for value in values[kept].tolist()], np.int64)
    return np.bincount(cells[kept] * BUCKETS + buckets, minlength=count * BUCKETS).reshape(count, BUCKETS)


def _quantile_exponents(counts: Any, quantile: float) -> Any:
    totals = counts.sum(axis=-1)
    wanted = np.maximum(np.ceil(quantile * totals), 1)
    below = np.cumsum(counts, axis=-1)
    bucket = np.argmax(below >= wanted[:, np.newaxis], axis=-1)
    at = np.arange(len(counts)), bucket
    holding = np.maximum.accumulate(np.where(counts > 0, np.arange(BUCKETS), -1), axis=-1)
    lower = np.where(bucket > 0, holding[at[0], bucket - 1], -1)
    lower = np.where(lower < 0, bucket - 1, lower)
    part = (wanted - (below - counts)[at]) / np.maximum(counts[at], 1)
    return np.where(totals > 0, lower + (bucket - lower) * part, -np.inf)


def _near_powers(rng: np.random.Generator, rows: int) -> Any:
    return (np.int64(1) << rng.integers(0, 63, rows)) + rng.integers(-2, 3, rows)


def _smallest_hashes(times: Any, mask: Any, first: int, slot: int, count: int) -> Any:
    hashes = ((times.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(1)).astype(np.int64)
    slots = np.where(mask == 1, _steps(times, first, slot, count), -1)
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, slots[slots >= 0], hashes[slots >= 0])
    rows = [next(iter(np.flatnonzero((slots == n) & (hashes == least[n]))), -1) for n in range(count)]
    return np.array(rows), least


def _reduce(values: Any, mask: Any, groups: Any, count: int) -> Any:
    kept = mask == 1
    sums = np.zeros(count, values.dtype)
    np.add.at(sums, groups[kept], values[kept])
    least = reduce_by_group(values[:0], mask[:0], groups[:0], count).least
    greatest = reduce_by_group(values[:0], mask[:0], groups[:0], count).greatest
    np.minimum.at(least, groups[kept], values[kept])
    np.maximum.at(greatest, groups[kept], values[kept])
    return np.bincount(groups[kept], minlength=count), sums, least, greatest


def _reduce_runs(values: Any, mask: Any, offsets: Any) -> Any:
    groups = np.repeat(np.arange(len(offsets) - 1, dtype=np.uint32), np.diff(offsets))
    return _reduce(values, mask, groups, len(offsets) - 1)


def _reduced_runs(*arguments: Any) -> Any:
    found = reduce_runs(*arguments)
    return found.counts, found.sums, found.least, found.greatest


def _reduced(*arguments: Any) -> Any:
    found = reduce_by_group(*arguments)
    return found.counts, found.sums, found.least, found.greatest


def _cell_arguments(rng: np.random.Generator, rows: int, dtype: Any, *, is_counted: bool = True) -> Arguments:
    # The first steps have many spans, the last few.
    times = np.sort((10**6 * rng.random(rows) ** 3).astype(np.int64)) + rng.integers(0, 999, rows)
    codes = rng.integers(0, 20, 40).astype(np.int32)
    of_spans, steps = rng.integers(0, 40, rows).astype(dtype), (10**4, 10**4, 60)
    return (times, _mask(rng, rows), of_spans, codes, 20, steps) if is_counted else (times, of_spans, codes, steps)


def _range(data: Any, low: float, high: float) -> Any:
    return ((data >= low) & (data <= high)).astype(np.uint8)


TWINS = (
    Twin("between int64", between, _range, lambda rng, n: (rng.integers(-9, 9, n), -3, 4)),
    Twin(
        "between int64 extremes", between, _range, lambda rng, n: (rng.choice([-(2**63), 2**63 - 1, 0], n), -(2**63), 0)
    ),
    Twin("between int32", between, _range, lambda rng, n: (rng.integers(-9, 9, n).astype(np.int32), 1, 2)),
    Twin("between float64", between, _range, lambda rng, n: (_floats(rng, n), -2.5, np.inf)),
    Twin("look up int32", look_up, _look_up, lambda rng, n: (rng.integers(-3, 40, n).astype(np.int32), _mask(rng, 30))),
    Twin(
        "look up uint32", look_up, _look_up, lambda rng, n: (rng.integers(0, 40, n).astype(np.uint32), _mask(rng, 30))
    ),
    Twin("look up uint8", look_up, _look_up, lambda rng, n: (_mask(rng, n), _mask(rng, 2))),
    Twin("any in list", any_in_list, _any_in_list, lambda rng, n: (_mask(rng, n), _offsets(rng, n).astype(np.int32))),
    Twin(
        "any of owner",
        any_of_owner,
        _any_of_owner,
        lambda rng, n: (_mask(rng, n), np.sort(rng.integers(0, n + 5, n)).astype(np.uint32), n),
    ),
    Twin(
        "spread",
        spread,
        lambda mask, offsets: np.repeat(mask, np.diff(offsets)),
        lambda rng, n: (_mask(rng, len(offsets := _offsets(rng, n)) - 1), offsets),
    ),
    Twin("count matches", count_matches, _count_matches, lambda rng, n: (_mask(rng, n), _offsets(rng, n))),
    Twin("count few matches", count_matches, _count_matches, lambda rng, n: (_few(rng, n, 60), _offsets(rng, n))),
    *(
        Twin(
            f"traces with {left} and {right}",
            traces_with_both,
            _traces_with_both,
            lambda rng, n, left=left, right=right: (_few(rng, n, left), _few(rng, n, right), _offsets(rng, n)),
        )
        for left, right in ((2, 2), (2, 60), (60, 2), (20, 20))
    ),
    Twin("newest matches", newest_matches, _newest_matches, lambda rng, n: _newest_arguments(rng, n, 2)),
    Twin("newest of few matches", newest_matches, _newest_matches, lambda rng, n: _newest_arguments(rng, n, 60)),
    Twin("steps", steps_of, _steps, lambda rng, n: (rng.integers(0, 10**6, n) + 10**18, 10**18 + 777, 1000, 900)),
    Twin("steps of one ns", steps_of, _steps, lambda rng, n: (rng.integers(0, 99, n), 7, 1, 80)),
    Twin("steps of years", steps_of, _steps, lambda rng, n: (rng.integers(0, 2**62, n), 5, 2**52 + 1, 1000)),
    Twin(
        "take codes",
        take_codes,
        lambda rows, codes: np.where((rows >= 0) & (rows < len(codes)), codes[np.clip(rows, 0, len(codes) - 1)], 0),
        lambda rng, n: (rng.integers(-3, 50, n), rng.integers(0, 9, 40).astype(np.int32)),
    ),
    Twin("count cells", count_cells, _count_cells, lambda rng, n: _cell_arguments(rng, n, np.uint32)),
    Twin("count cells of codes", count_cells, _count_cells, lambda rng, n: _cell_arguments(rng, n, np.int32)),
    Twin("cells", cells_of, _cells_of, lambda rng, n: _cell_arguments(rng, n, np.uint32, is_counted=False)),
    Twin("cells of codes", cells_of, _cells_of, lambda rng, n: _cell_arguments(rng, n, np.int32, is_counted=False)),
    Twin(
        "count buckets",
        count_buckets,
        _count_buckets,
        lambda rng, n: (_near_powers(rng, n), _mask(rng, n), rng.integers(-1, 9, n), 9),
    ),
    Twin(
        "quantile of buckets",
        quantile_exponents,
        _quantile_exponents,
        lambda rng, n: (rng.integers(0, 4, (n, BUCKETS)) * rng.integers(0, 2, (n, 1)), rng.choice([0, 0.1, 0.5, 1])),
    ),
    Twin(
        "smallest hashes",
        smallest_hashes,
        _smallest_hashes,
        lambda rng, n: (rng.integers(0, 999, n), _mask(rng, n), 100, 50, 9),
    ),
    Twin(
        "reduce int64",
        _reduced,
        _reduce,
        lambda rng, n: (rng.integers(-9, 9, n), _mask(rng, n), rng.integers(0, 7, n).astype(np.uint32), 7),
    ),
    Twin(
        "reduce float64",
        _reduced,
        _reduce,
        lambda rng, n: (rng.integers(-9, 9, n) / 4, _mask(rng, n), rng.integers(0, 7, n).astype(np.uint32), 7),
    ),
    Twin(
        "reduce runs of int64",
        _reduced_runs,
        _reduce_runs,
        lambda rng, n: (rng.integers(-9, 9, n), _mask(rng, n), _offsets(rng, n)),
    ),
    Twin(
        "reduce runs of float64",
        _reduced_runs,
        _reduce_runs,
        lambda rng, n: (rng.integers(-9, 9, n) / 4, _mask(rng, n), _offsets(rng, n)),
    ),
)
