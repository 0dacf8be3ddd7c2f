"""tempo_dask: a trace store and TraceQL engine that serves the Tempo API, built on Dask and Parquet.

`open_store` and `connect` are what a notebook needs, `%load_ext tempo_dask` brings `%%traceql`; the server is the
command `tempo-dask serve`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tempo_dask.notebook import ApiStore as ApiStore
    from tempo_dask.notebook import Store as Store
    from tempo_dask.notebook import connect as connect
    from tempo_dask.notebook import open_store as open_store
    from tempo_dask.notebook.magic import load_ipython_extension as load_ipython_extension

__all__ = ["ApiStore", "Store", "connect", "load_ipython_extension", "open_store"]


def __getattr__(name: str) -> object:
    """Load the notebook when it is first asked for: the server and the workers do without dataframes."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    try:
        is_magic = name == "load_ipython_extension"  # IPython is needed for that alone
        notebook = importlib.import_module("tempo_dask.notebook.magic" if is_magic else "tempo_dask.notebook")
    except ModuleNotFoundError as error:
        msg = f"{name} needs {error.name}: install tempo-dask[notebook]"
        raise ImportError(msg) from error
    return getattr(notebook, name)
