"""`python -m tempo_dask.cli` is the command `tempo-dask`."""

from __future__ import annotations

from tempo_dask.cli.main import main

if __name__ == "__main__":
    main()
