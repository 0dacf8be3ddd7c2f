"""Where overrides of users are kept: numbered objects, each created once.

The newest object of a tenant holds what it has set; `null` says that it has set nothing any more. Of several processes
that make the next one exactly one succeeds, so versions are the same for all of them, and what an object says once it
says for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from storage.object_store import ObjectInfo, ObjectMissing, ObjectStore

Tree: TypeAlias = dict[str, Any]

_FOLDER = "overrides"
_DIGITS = 20
_KEY = re.compile(rf"{_FOLDER}/(?P<tenant>[^/]+)/(?P<number>\d{{{_DIGITS}}})\.json")
#: How often a list is taken again because what it names is gone already.
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Stored:
    """What a tenant has set, None for nothing, and its number; 0 is before the first."""

    number: int = 0
    limits: Tree | None = None


class UserOverridesStore:
    """The numbered objects of all tenants, in a store that others use at the same time."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def newest(self, tenant: str) -> Stored:
        """Return what a tenant has set. Raises StoreUnavailable."""
        for _ in range(_ATTEMPTS):
            numbers = _newest_of(self._store.list(f"{_FOLDER}/{tenant}"))
            if tenant not in numbers:
                return Stored()
            try:
                return self.read(tenant, numbers[tenant])
            except ObjectMissing:  # two newer ones came since it was listed
                continue
        msg = f"the overrides of {tenant} change faster than they can be read"
        raise ObjectMissing(msg)

    def numbers(self) -> Mapping[str, int]:
        """Return the newest number of every tenant."""
        return _newest_of(self._store.list(_FOLDER))

    def read(self, tenant: str, number: int) -> Stored:
        """Return what an object says. Raises ObjectMissing where a later one took its place."""
        limits: Tree | None = orjson.loads(self._store.get(_key(tenant, number)))
        return Stored(number, limits)

    def follow(self, tenant: str, known: Stored, limits: Tree | None) -> Stored | None:
        """Store what follows what is known, and return it; None where something else follows it already."""
        following = Stored(known.number + 1, limits)
        if not self._store.put_if_absent(_key(tenant, following.number), orjson.dumps(limits)):
            return None
        if known.number > 1:
            self._store.delete(_key(tenant, known.number - 1))  # the one before stays, for those who have listed it
        return following


def _key(tenant: str, number: int) -> str:
    return f"{_FOLDER}/{tenant}/{number:0{_DIGITS}d}.json"


def _newest_of(listed: Sequence[ObjectInfo]) -> dict[str, int]:
    found = (_KEY.fullmatch(info.key) for info in listed)
    return {match["tenant"]: int(match["number"]) for match in found if match}  # keys rise, so the last one stays
