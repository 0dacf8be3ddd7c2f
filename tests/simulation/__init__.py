"""Whole lives of a node and its neighbours on a machine that a seed schedules, crashes and restarts."""
