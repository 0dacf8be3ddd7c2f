"""HTTP: thin handlers (decode, one verb of the engine, encode), a `routes` list in each module."""
