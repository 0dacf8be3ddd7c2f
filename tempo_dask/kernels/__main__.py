"""Compile every kernel once and keep the machine code: `python -m tempo_dask.kernels`."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Iterator
from types import ModuleType

from numba.core.dispatcher import Dispatcher

import storage.kernels
import tempo_dask.kernels


def load_kernels() -> int:
    """Import every module that holds kernels, which compiles what is not cached; return how many kernels there are."""
    return len({id(value) for module in _modules() for value in vars(module).values() if isinstance(value, Dispatcher)})


def _modules() -> Iterator[ModuleType]:
    for package in (storage.kernels, tempo_dask.kernels):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def main() -> None:
    """Compile, and say what was done."""
    start_s = time.perf_counter()
    count = load_kernels()
    took_s = time.perf_counter() - start_s
    compiled = tempo_dask.kernels.compilations()
    print(f"{count} kernels ready in {took_s:.1f} s ({compiled} functions compiled)")  # noqa: T201  # what it answers


if __name__ == "__main__":
    main()
