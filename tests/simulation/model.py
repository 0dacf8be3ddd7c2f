"""What must be true of a node's answers: a dict of spans, which were acknowledged, and which were erased."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
TENANTS = ("a", "b")
SPANS_PER_TRACE = 3


def trace_of(number: int) -> int:
    """Return the number of the trace that a span is part of."""
    return number // SPANS_PER_TRACE


def _per_tenant(make: type[T]) -> dict[str, T]:
    return {tenant: make() for tenant in TENANTS}


@dataclass
class Model:
    """When each span of a tenant arrived, by number, and what became of it."""

    retention_ns: int
    arrived_ns: dict[str, dict[int, int]] = field(default_factory=lambda: _per_tenant(dict))
    acknowledged: dict[str, set[int]] = field(default_factory=lambda: _per_tenant(set))
    sent_again: dict[str, set[int]] = field(default_factory=lambda: _per_tenant(set))
    #: Sent, and not acknowledged: they may come, now or after a restart.
    in_doubt: dict[str, set[int]] = field(default_factory=lambda: _per_tenant(set))
    #: Traces that somebody began to erase. What arrives of them behind that may go with them, or stay.
    erased: dict[str, set[int]] = field(default_factory=lambda: _per_tenant(set))
    #: Spans that no query may find any more.
    gone: dict[str, set[int]] = field(default_factory=lambda: _per_tenant(set))
    next_number: int = 0

    @contextmanager
    def sending(self, group: Sequence[tuple[str, Collection[int]]], now_ns: int) -> Iterator[None]:
        """Note what is sent, and behind it that all of it was acknowledged."""
        for tenant, sent in group:
            self.in_doubt[tenant].update(sent)
            for number in sent:
                self.arrived_ns[tenant].setdefault(number, now_ns)
        yield
        for tenant, sent in group:
            self.in_doubt[tenant].difference_update(sent)
            self.acknowledged[tenant].update(sent)
            self.arrived_ns[tenant].update(dict.fromkeys(sent, now_ns))

    @contextmanager
    def erasing(self, tenant: str, traces: Collection[int]) -> Iterator[None]:
        """Note that traces are about to be hidden, and behind it that they are."""
        going = self._of(traces, self.acknowledged[tenant] - self.in_doubt[tenant])
        self.erased[tenant].update(traces)
        yield
        self.gone[tenant].update(going)

    def must_have(self, tenant: str) -> set[int]:
        """Return what a query that begins now must find, unless it expires or is erased before the query ends."""
        return self.acknowledged[tenant] - self._of(self.erased[tenant], self.acknowledged[tenant])

    def must_not_have(self, tenant: str) -> set[int]:
        """Return what no query that begins now may find."""
        return set(self.gone[tenant])

    def check(
        self,
        tenant: str,
        found: Counter[int],
        expected: tuple[set[int], set[int]],
        now_ns: int,
        *,
        way: str,
    ) -> None:
        """Compare what was found with what must be there and what must not.

        Bare columns hold twice what was sent twice.
        """
        wanted, gone = expected
        oldest_ns = now_ns - self.retention_ns
        kept = wanted - self._of(self.erased[tenant], wanted)
        young = {number for number in kept if self.arrived_ns[tenant][number] >= oldest_ns}
        assert young <= set(found), f"lost, by {way}: {sorted(young - set(found))}"
        assert set(found) <= set(self.arrived_ns[tenant]), f"found what was never sent, by {way}"
        assert not gone & set(found), f"erased and found, by {way}: {sorted(gone & set(found))}"
        doubled = {number for number, times in found.items() if times > 1}
        assert not doubled - (self.sent_again[tenant] if way == "columns" else set()), f"doubled, by {way}: {doubled}"

    def to_send_again(self, tenant: str) -> list[int]:
        """Return what a client may send once more: some of the newest, nothing that was erased."""
        sent = sorted(self.arrived_ns[tenant])[-12:]
        return [number for number in sent if trace_of(number) not in self.erased[tenant]]

    @staticmethod
    def _of(traces: Collection[int], numbers: Iterable[int]) -> set[int]:
        return {number for number in numbers if trace_of(number) in traces}
