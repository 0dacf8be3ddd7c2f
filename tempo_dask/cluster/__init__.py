"""Queries on many machines: Dask says who is there and carries the bytes, plans and kernels are those of one process.

A share of a query goes straight to a worker, over Dask's own connections; the scheduler says which workers there are.
Nodes that take spans in are workers too and lend their live spans to whoever asks.
"""
