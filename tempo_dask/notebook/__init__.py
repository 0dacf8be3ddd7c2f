"""The analyst's door: a store opened in Jupyter or a script, its spans as Dask dataframes.

This room only opens stores and turns what the engine and `physical` give into frames; it evaluates nothing itself.
"""

from tempo_dask.notebook.store import Store, open_store

__all__ = ["Store", "open_store"]
