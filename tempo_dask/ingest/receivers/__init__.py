"""Receivers take spans in over the network and hand raw OTLP bytes to `ingest.commit_group`."""
