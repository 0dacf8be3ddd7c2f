"""A shop that does not exist: traces to try the service with, and `python -m tempo_dask.demo` to see them served."""
