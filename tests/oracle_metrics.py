"""Metrics over plain Python spans, as the language describes them: one number after another, no arrays.

Series are pairs of labels and samples; a sample is None where there is none.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tests import oracle
from tests.oracle_fields import At, evaluate
from tests.oracle_spans import Span
from tests.oracle_values import ABSENT
from traceql import Query, simplify
from traceql.ast import (
    BottomK,
    Intrinsic,
    MetricsAggregate,
    MetricsArithmetic,
    MetricsFilter,
    MetricsQuery,
    SecondStage,
    SpansetFilter,
    Static,
    TopK,
)
from traceql.attributes import IntrinsicKind
from traceql.format import shown
from traceql.operators import BinaryOperator, MetricsFunction
from traceql.types import StaticType

Labels = tuple[tuple[str, object], ...]
Samples = list[float | None]
Answer = list[tuple[Labels, Samples]]
Group = tuple[Static, ...]

NS_PER_S = 1e9
ARRAY = Static(StaticType.STRING_ARRAY, ())
COUNTING = (MetricsFunction.RATE, MetricsFunction.COUNT)
BUCKETS = (MetricsFunction.HISTOGRAM, MetricsFunction.QUANTILE)


@dataclass(frozen=True)
class Steps:
    """Interval i holds the times in (start + i * step, start + (i + 1) * step]."""

    start_ns: int
    step_ns: int
    count: int

    def of(self, time_ns: int) -> int | None:
        step = -((self.start_ns - time_ns) // self.step_ns) - 1
        return step if 0 <= step < self.count else None


def series(query: Query, spans: Sequence[Span], steps: Steps) -> Answer:
    """What a metrics query answers."""
    return _answer(query.root, spans, steps)


def ranked(query: Query, spans: Sequence[Span], steps: Steps) -> Answer:
    """Quantiles as the values of spans that have this rank, none of them rounded to a bucket; 0 of nothing."""
    assert isinstance(query.root, MetricsQuery)
    aggregate = query.root.function
    assert isinstance(aggregate, MetricsAggregate)
    plain = replace(aggregate, function=MetricsFunction.SUM)
    groups = _values_by_group(query, plain, spans, steps)
    answer: Answer = [
        (
            (*_group_labels(aggregate, group), ("p", p)),
            [_of_rank(values, p) / _bucket_unit(aggregate) for values in found],
        )
        for group, found in groups.items()
        for p in aggregate.quantiles
    ]
    return _ordered(answer)


def _of_rank(values: list[Static], p: float) -> float:
    numbers = sorted(float(value.value) for value in values)  # type: ignore[arg-type]  # numbers
    return numbers[max(math.ceil(p * len(numbers)), 1) - 1] if numbers else 0.0


def _answer(root: object, spans: Sequence[Span], steps: Steps) -> Answer:
    match root:
        case MetricsQuery(function=MetricsAggregate() as aggregate):
            values = _values_by_group(Query(root), aggregate, spans, steps)
            if not values and aggregate.function in COUNTING and not aggregate.by and not _is_never(root):
                values = {(): [[] for _ in range(steps.count)]}
            groups = sorted(values.items(), key=lambda group: _types(group[0]))
            answer = [one for group, found in groups for one in _of_group(aggregate, group, found, steps)]
            return _after(root.second, _ordered(answer))
        case MetricsArithmetic(op=op, lhs=lhs, rhs=rhs):
            joined = _joined(op, _answer(lhs, spans, steps), _answer(rhs, spans, steps))
            return _after(root.second, _ordered(joined))
    raise TypeError(root)


def _types(group: Group) -> list[str]:
    """What orders groups whose labels read alike: those that lack a value first."""
    return ["" if value == ABSENT else value.type.name for value in group]


def _is_never(root: MetricsQuery) -> bool:
    """Whether no span can pass, as of `{ 1 = 2 }`: not even zeros are told then."""
    pipeline = simplify(Query(root)).root.pipeline
    filters = [stage.expression for stage in pipeline.stages if isinstance(stage, SpansetFilter)]
    return any(isinstance(expression, Static) and expression.value is not True for expression in filters)


def _values_by_group(
    query: Query, aggregate: MetricsAggregate, spans: Sequence[Span], steps: Steps
) -> dict[Group, list[list[Static]]]:
    """The values that count, by group and interval."""
    groups: dict[Group, list[list[Static]]] = defaultdict(lambda: [[] for _ in range(steps.count)])
    for at in _matched(query, spans):
        step, value = steps.of(at.span.start_ns), _value(aggregate, at)
        if step is not None and value is not None:
            groups[tuple(_group_value(evaluate(by, at)) for by in aggregate.by)][step].append(value)
    return groups


def _matched(query: Query, spans: Sequence[Span]) -> Iterator[At]:
    for found in oracle.search(query, spans).values():
        for place in {place for spanset in found.spansets for place in spanset.places}:
            yield At(found.trace, place)


def _group_value(value: Static) -> Static:
    return ARRAY if value.type.is_array else value


def _value(aggregate: MetricsAggregate, at: At) -> Static | None:
    """What a span adds: None where it has no number, or one that no bucket takes."""
    if aggregate.operand is None:
        return ABSENT
    value = evaluate(aggregate.operand, at)
    if aggregate.function in BUCKETS:
        is_whole = value.type in (StaticType.INT, StaticType.DURATION)
        return value if is_whole and value.value >= 2 else None  # type: ignore[operator]  # of these types
    return value if value.type.is_numeric else None


def _of_group(
    aggregate: MetricsAggregate, group: Group, found: list[list[Static]], steps: Steps
) -> Iterator[tuple[Labels, Samples]]:
    numbers = [[float(value.value) if value.value is not None else 0.0 for value in values] for values in found]  # type: ignore[arg-type]  # numbers
    labels = _group_labels(aggregate, group)
    match aggregate.function:
        case MetricsFunction.HISTOGRAM:
            counts = [Counter(map(_bucket, map(int, values))) for values in numbers]
            for bucket in sorted(set().union(*counts)):
                added = ("__bucket", 2.0**bucket / _bucket_unit(aggregate))
                yield (*labels, added), [float(count[bucket]) for count in counts]
        case MetricsFunction.QUANTILE:
            for p in aggregate.quantiles:
                samples = [_quantile(Counter(map(_bucket, map(int, values))), p) for values in numbers]
                yield (*labels, ("p", p)), [sample / _bucket_unit(aggregate) for sample in samples]
        case function:
            name = labels or (("__name__", function.value),)
            yield name, [_reduced(aggregate, values, steps) for values in numbers]


def _reduced(aggregate: MetricsAggregate, values: list[float], steps: Steps) -> float | None:
    if aggregate.function in COUNTING:
        seconds = steps.step_ns / NS_PER_S
        return len(values) / seconds if aggregate.function is MetricsFunction.RATE else float(len(values))
    unit = NS_PER_S if aggregate.operand == Intrinsic(IntrinsicKind.DURATION) else 1.0
    return _REDUCE[aggregate.function](values) / unit if values else None


_REDUCE: Mapping[MetricsFunction, Callable[[list[float]], float]] = {
    MetricsFunction.MIN: min,
    MetricsFunction.MAX: max,
    MetricsFunction.SUM: math.fsum,
    MetricsFunction.AVG: lambda values: math.fsum(values) / len(values),
}


def _bucket(value: int) -> int:
    """The exponent of the smallest power of two that is not below the value."""
    return (value - 1).bit_length()


def _bucket_unit(aggregate: MetricsAggregate) -> float:
    operand = aggregate.operand
    return NS_PER_S if isinstance(operand, Intrinsic) and operand.kind.type is StaticType.DURATION else 1.0


def _quantile(counts: Counter[int], p: float) -> float:
    if not counts:
        return 0.0
    wanted, done, before = max(math.ceil(p * counts.total()), 1), 0, None
    for bucket in sorted(counts):
        if done + counts[bucket] >= wanted:
            lower = bucket - 1 if before is None else before
            return float(2.0 ** (lower + (bucket - lower) * (wanted - done) / counts[bucket]))
        done, before = done + counts[bucket], bucket
    raise AssertionError(counts)


def _group_labels(aggregate: MetricsAggregate, group: Group) -> Labels:
    found = [(shown(by), _label(value)) for by, value in zip(aggregate.by, group, strict=True) if value != ABSENT]
    if aggregate.by and not found:
        return ((shown(aggregate.by[0]), "nil"),)
    return tuple(found)


def _label(value: Static) -> object:
    if value == ARRAY:
        return "nil"
    return value.value.name.lower() if value.type in (StaticType.STATUS, StaticType.KIND) else value.value  # type: ignore[union-attr]  # of these types


def _ordered(answer: Answer) -> Answer:
    return sorted(answer, key=lambda one: (len(one[0]), [(key, str(value)) for key, value in one[0]]))


# ---- finished series ----


def _joined(op: BinaryOperator, lhs: Answer, rhs: Answer) -> Answer:
    others = {_joined_by(labels): samples for labels, samples in rhs}
    return [
        (labels, [_computed(op, a, b) for a, b in zip(samples, others[_joined_by(labels)], strict=True)])
        for labels, samples in lhs
        if _joined_by(labels) in others
    ]


def _joined_by(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple((key, repr(value)) for key, value in labels if key != "__name__")


def _computed(op: BinaryOperator, a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return None
    if op is BinaryOperator.DIVIDE and b == 0:
        return None if a == 0 else math.copysign(math.inf, a)
    match op:
        case BinaryOperator.ADD:
            return a + b
        case BinaryOperator.SUBTRACT:
            return a - b
        case BinaryOperator.MULTIPLY:
            return a * b
    return a / b


def _after(stages: Sequence[SecondStage], answer: Answer) -> Answer:
    for stage in stages:
        columns = [_kept(stage, list(column)) for column in zip(*(samples for _, samples in answer), strict=True)]
        kept = [list(row) for row in zip(*columns, strict=True)]
        answer = [(labels, samples) for (labels, _), samples in zip(answer, kept, strict=True)]
    return [(labels, samples) for labels, samples in answer if any(sample is not None for sample in samples)]


def _kept(stage: SecondStage, column: Samples) -> Samples:
    """The points of one time that pass a stage."""
    points = [(value, place) for place, value in enumerate(column) if value is not None]
    match stage:
        case TopK(limit=limit):
            kept = sorted(points, key=lambda point: (-point[0], point[1]))[:limit]
        case BottomK(limit=limit):
            kept = sorted(points, key=lambda point: (point[0], -point[1]))[:limit]
        case MetricsFilter(op=op, value=bound):
            number = float(bound.value) / (NS_PER_S if bound.type is StaticType.DURATION else 1)  # type: ignore[arg-type]  # a number
            kept = [point for point in points if _HOLDS[op](point[0], number)]
    places = {place for _, place in kept}
    return [value if place in places else None for place, value in enumerate(column)]


_HOLDS: Mapping[BinaryOperator, Callable[[float, float], bool]] = {
    BinaryOperator.GREATER: lambda a, b: a > b,
    BinaryOperator.GREATER_EQUAL: lambda a, b: a >= b,
    BinaryOperator.LESS: lambda a, b: a < b,
    BinaryOperator.LESS_EQUAL: lambda a, b: a <= b,
    BinaryOperator.EQUAL: lambda a, b: a == b,
    BinaryOperator.NOT_EQUAL: lambda a, b: a != b,
}
