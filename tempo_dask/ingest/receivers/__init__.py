"""Receivers take spans in over the network, as raw OTLP or translated to it, and hand them to `ingest.distributor`.

A receiver has `start(host, port)`, which returns the port it took, `stop_receiving()` and `stop()`.
"""
