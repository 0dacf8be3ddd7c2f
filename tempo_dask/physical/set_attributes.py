"""Attributes of spansets: `by(name)` and aggregates. Text is made of them for the few sets that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tempo_dask.physical.shown_values import Shown, shown_values
from tempo_dask.physical.values import Values

Sets = npt.NDArray[np.int64]


class SetAttribute(Protocol):
    """A key, and a value for each set."""

    @property
    def key(self) -> str:
        """The expression as answers show it."""
        ...

    def take(self, sets: Sets) -> SetAttribute:
        """Return the values of other sets."""
        ...

    def shown(self, sets: Sets) -> Sequence[Shown]:
        """Return the values of some sets."""
        ...


@dataclass(frozen=True, slots=True)
class SetResult:
    """What an aggregate gives."""

    key: str
    values: Values

    def take(self, sets: Sets) -> SetResult:
        """Return the values of other sets."""
        return replace(self, values=self.values.take(sets))

    def shown(self, sets: Sets) -> Sequence[Shown]:
        """Return the values of some sets, empty text where one has none."""
        shown: list[Shown] = [""] * len(sets)
        for part in reversed(self.values.take(sets).parts):
            shown = [one if one is not None else other for one, other in zip(shown_values(part), shown, strict=True)]
        return shown


@dataclass(frozen=True, slots=True)
class SetLabel:
    """One of few values, by its number."""

    key: str
    labels: tuple[Shown, ...]
    codes: npt.NDArray[np.int64]

    def take(self, sets: Sets) -> SetLabel:
        """Return the values of other sets."""
        return replace(self, codes=self.codes[sets])

    def shown(self, sets: Sets) -> Sequence[Shown]:
        """Return the values of some sets."""
        return [self.labels[code] for code in self.codes[sets].tolist()]
