"""Blocks that Grafana Tempo wrote (vParquet3, 4 and 5), read in place. Nothing here writes."""
