"""tempo_dask: a trace store and TraceQL engine that serves the Tempo API, built on Dask and Parquet.

`open_store` is what a notebook needs; the server is the command `tempo-dask serve`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tempo_dask.notebook import Store as Store
    from tempo_dask.notebook import open_store as open_store

__all__ = ["Store", "open_store"]


def __getattr__(name: str) -> object:
    """Load the notebook when it is first asked for: the server and the workers do without dataframes."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    try:
        notebook = importlib.import_module("tempo_dask.notebook")
    except ModuleNotFoundError as error:
        msg = f"{name} needs {error.name}: install tempo-dask[notebook]"
        raise ImportError(msg) from error
    return getattr(notebook, name)
