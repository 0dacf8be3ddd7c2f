"""Plain Python spans, and the shape of a trace: who is whose parent, and the nested-set numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from traceql.operators import Relation
from traceql.types import Kind, Status

Attributes = Mapping[str, object]


@dataclass(frozen=True)
class Event:
    name: str = ""
    time_ns: int = 0
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    trace_id: str = ""
    span_id: str = ""
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """Ids are lower-case hex; a root has no parent id, or zeros. Attribute values are Python's own."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str = ""
    kind: Kind = Kind.UNSPECIFIED
    status: Status = Status.UNSET
    status_message: str = ""
    start_ns: int = 0
    duration_ns: int = 0
    attributes: Attributes = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)
    scope_name: str = ""
    scope_version: str = ""
    scope_attributes: Attributes = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.duration_ns

    @property
    def is_root(self) -> bool:
        return self.parent_id.strip("0") == ""


@dataclass(frozen=True)
class Trace:
    """All spans of one trace. Spans are named by their place in it."""

    spans: tuple[Span, ...]

    @property
    def start_ns(self) -> int:
        return min(span.start_ns for span in self.spans)

    @property
    def duration_ns(self) -> int:
        return max(span.end_ns for span in self.spans) - self.start_ns

    @cached_property
    def root(self) -> Span | None:
        """The span without a parent; of several the last, and none that a link makes a child."""
        roots = [span for span in self.spans if span.is_root and not _is_linked_child(span)]
        return max(roots, key=lambda s: (s.start_ns, s.span_id)) if roots else None

    @property
    def root_service(self) -> str:
        return str(self.root.resource.get("service.name", "")) if self.root else ""

    @property
    def root_name(self) -> str:
        return self.root.name if self.root else ""

    @property
    def service_stats(self) -> dict[str, tuple[int, int]]:
        """Spans and failed spans per service."""
        stats: dict[str, tuple[int, int]] = {}
        for span in self.spans:
            service = str(span.resource.get("service.name", ""))
            spans, errors = stats.get(service, (0, 0))
            stats[service] = (spans + 1, errors + (span.status is Status.ERROR))
        return stats

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The places by start, then by id: the order in which spans are numbered and of several the first is taken."""
        return tuple(
            sorted(range(len(self.spans)), key=lambda place: (self.spans[place].start_ns, self.spans[place].span_id))
        )

    @cached_property
    def parents(self) -> tuple[int | None, ...]:
        """Per span the place of its parent; None for a root, and for an orphan, whose parent is missing or below it."""
        places: dict[str, list[int]] = {}
        for place in self.order:
            places.setdefault(self.spans[place].span_id, []).append(place)
        parents = [None if span.is_root else self._parent(span, places.get(span.parent_id, [])) for span in self.spans]
        for place in self.order:  # the first of a circle opens it
            above, seen = parents[place], set()
            while above is not None and above != place and above not in seen:
                seen.add(above)
                above = parents[above]
            if above == place:
                parents[place] = None
        return tuple(parents)

    def _parent(self, child: Span, candidates: list[int]) -> int | None:
        """Of two spans with one id the client's is the parent of a server span, the server's of any other."""
        if len(candidates) == 2:
            wanted = Kind.CLIENT if child.kind is Kind.SERVER else Kind.SERVER
            candidates = sorted(candidates, key=lambda place: self.spans[place].kind is not wanted)
        return candidates[0] if candidates else None

    def ancestors(self, place: int) -> list[int]:
        """From the parent upwards."""
        found: list[int] = []
        parent = self.parents[place]
        while parent is not None:
            found.append(parent)
            parent = self.parents[parent]
        return found

    def is_related(self, relation: Relation, one: int, other: int) -> bool:
        """Whether `other` has the relation to `one`: CHILD when `other` is a child of `one`."""
        match relation:
            case Relation.CHILD:
                return self.parents[other] == one
            case Relation.DESCENDANT:
                return one in self.ancestors(other)
            case Relation.PARENT:
                return self.parents[one] == other
            case Relation.ANCESTOR:
                return other in self.ancestors(one)
            case Relation.SIBLING:
                return one != other and self._common_parent(one, other)

    def _common_parent(self, one: int, other: int) -> bool:
        parent = self.parents[one]
        if parent is None:
            return self.spans[one].is_root and self.spans[other].is_root
        return parent == self.parents[other]

    @cached_property
    def numbers(self) -> tuple[tuple[int, int, int], ...]:
        """Per span left, right and parent of the nested sets; a root's parent is -1, an orphan's 0."""
        children: dict[int | None, list[int]] = {}
        for place in self.order:
            children.setdefault(self.parents[place], []).append(place)
        numbers = [(0, 0, 0)] * len(self.spans)
        counter = 0

        def number(place: int, parent: int) -> None:
            nonlocal counter
            counter += 1
            left = counter
            for child in children.get(place, []):
                number(child, left)
            counter += 1
            numbers[place] = (left, counter, parent)

        for top in children.get(None, []):
            number(top, -1 if self.spans[top].is_root else 0)
        return tuple(numbers)


def _is_linked_child(span: Span) -> bool:
    return any(
        link.trace_id == span.trace_id and link.attributes.get("opentracing.ref_type") == "child_of"
        for link in span.links
    )


def traces_of(spans: Sequence[Span]) -> dict[str, Trace]:
    """Spans by trace id, in their order."""
    grouped: dict[str, list[Span]] = {}
    for span in spans:
        grouped.setdefault(span.trace_id, []).append(span)
    return {trace_id: Trace(tuple(group)) for trace_id, group in grouped.items()}
