"""What a process does: everything, or one part of it. Tempo's names of its modules are taken too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator


@dataclass(frozen=True, slots=True)
class Role:
    """The parts of the service that a process runs; what operators ask is always answered."""

    ingests: bool = False  # takes spans in, and holds them until they lie in blocks
    queries: bool = False  # answers queries over blocks, and over live spans of the nodes of its cluster
    maintains: bool = False  # compacts blocks, and removes those that are too old


_INGEST, _QUERY, _COMPACT = Role(ingests=True), Role(queries=True), Role(maintains=True)
_ALL = Role(ingests=True, queries=True, maintains=True)

#: By the names of targets, ours first.
ROLES: Mapping[str, Role] = {
    "all": _ALL,
    "ingest": _INGEST,
    "query": _QUERY,
    "compact": _COMPACT,
    "scalable-single-binary": _ALL,
    "all-3.0": _ALL,
    **dict.fromkeys(("distributor", "ingester", "live-store", "block-builder"), _INGEST),
    **dict.fromkeys(("querier", "query-frontend"), _QUERY),
    **dict.fromkeys(("compactor", "backend-scheduler", "backend-worker"), _COMPACT),
}


def _require_role(target: str) -> str:
    if target not in ROLES:
        msg = f"unrecognised module name: {target}; expected one of all, ingest, query, compact"
        raise ValueError(msg)
    return target


Target = Annotated[str, AfterValidator(_require_role)]
