"""Benchmark TraceQL: one suite of questions, asked of one or more servers with Tempo's API, side by side.

This room is a client: it knows Tempo's documented HTTP API and nothing of how a server answers. From a notebook:

    from tempo_dask.bench import SUITE, Target, Window, compare, results_svg

    results = compare([Target("a", "http://a:3200"), Target("b", "http://b:3200")], SUITE, Window(start_s, end_s))
    pd.DataFrame(results.records())    # a row for each question and server: median, quartiles, ratio, answers
    SVG(results_svg(results))          # the same as a picture
"""

from tempo_dask.bench.compare import Pace, compare
from tempo_dask.bench.results import Results, Taken
from tempo_dask.bench.results_chart import results_svg
from tempo_dask.bench.shapes import SUITE, Kind, Shape, Window
from tempo_dask.bench.target import Target

__all__ = ["SUITE", "Kind", "Pace", "Results", "Shape", "Taken", "Target", "Window", "compare", "results_svg"]
