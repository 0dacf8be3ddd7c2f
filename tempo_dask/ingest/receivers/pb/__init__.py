"""Messages of foreign protocols, generated from the `.proto` files beside; `python -m tempo_dask.ingest.receivers.pb`."""
