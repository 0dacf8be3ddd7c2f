"""The way of a span in: receivers, commit groups, the write-ahead log, live chunks, blocks.

A request is acknowledged when it is checked and on disk (`commit_group`). What was acknowledged is decoded
into immutable chunks (`live`, `decoder`), chunks become one block (`flush`), and a query sees every
acknowledged span exactly once, wherever it lies just then (`sources`).

Ingest knows kernels and storage alone: no query language, no engine, no API.
"""
