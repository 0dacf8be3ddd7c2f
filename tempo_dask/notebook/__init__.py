"""The analyst's door: a store opened in Jupyter or a script, its spans as Dask dataframes.

This room only opens stores and turns what the engine and `physical` give into frames; it evaluates nothing itself.
`open_store` reads blocks, `connect` asks a server with Tempo's API; both give the same verbs.
"""

from tempo_dask.notebook.api_store import ApiStore, connect
from tempo_dask.notebook.store import Store, open_store

__all__ = ["ApiStore", "Store", "connect", "open_store"]
