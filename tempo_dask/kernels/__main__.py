"""Compile every kernel once and keep the machine code: `python -m tempo_dask.kernels`."""
