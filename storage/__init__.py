"""Bytes to columns and back: chunks, blocks, the write-ahead log, the commit log, object stores.

This room knows no TraceQL, no Dask and no service; whoever asks it names tables, columns and units.
Columns, not objects: nothing here runs a Python loop over spans or attribute values (`columns` is the contract).
Durable means synced: a file's content, then its name, then whatever refers to it (`files`, `wal`, `commit_log`).
What is stored may be damaged or hostile: check before use, set the broken part aside, say so, serve the rest.
"""
