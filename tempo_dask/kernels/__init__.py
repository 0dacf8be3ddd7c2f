"""Kernels of the service: Numba functions over arrays, compiled once from explicit signatures and cached.

A kernel takes arrays and scalars and gives arrays or scalars, releases the GIL and is never compiled for a query:
its signature stands at its definition, so importing its module compiles it or loads it from the cache, and
`python -m tempo_dask.kernels` does that for all kernels, those of `storage` too, once at install. Kernels know
neither the language nor the service.
"""

from __future__ import annotations

from numba.core import event

from tempo_dask.kernels.cache import remove_unusable


class _Compilations(event.Listener):
    """Counts compilations; a kernel loaded from the cache is none."""

    def __init__(self) -> None:
        self.count = 0

    def on_start(self, _event: event.Event) -> None:
        pass

    def on_end(self, _event: event.Event) -> None:
        self.count += 1


_compilations = _Compilations()
event.register("numba:compile", _compilations)
remove_unusable()


def compilations() -> int:
    """Return how many functions Numba has compiled since this package was imported; none where the cache is warm."""
    return _compilations.count
