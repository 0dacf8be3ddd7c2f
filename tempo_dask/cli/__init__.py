"""The command line: sub-commands of `tempo-dask`, and Tempo's own flags."""
