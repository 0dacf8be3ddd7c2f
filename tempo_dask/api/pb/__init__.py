"""Messages of the query API, generated from `tempo.proto` by `python -m tempo_dask.api.pb`."""
