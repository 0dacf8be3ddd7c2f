"""Runs are kept one to a line, and drawn so that all of them can be read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tempo_dask.bench import Kind, Results, Shape, Taken, Target, Window
from tempo_dask.bench.history import SHOWN, append, history_svg, read
from tempo_dask.errors import BadRequest

SVG = "{http://www.w3.org/2000/svg}"


def results(*median_ms: float, of_set: str = "shop") -> Results:
    kinds = list(Kind)
    taken = tuple(
        Taken(Shape(f"q{n}", kinds[n % len(kinds)], "{ }"), "a", 0.1, (median / 1000,), {})
        for n, median in enumerate(median_ms)
    )
    about = {"at": "2026-01-02T03:04:05+00:00", "load": "0.10", "set": of_set}
    return Results((Target("a", "http://a"),), Window(0, 1), taken, about)


def test_runs_are_appended(tmp_path: Path) -> None:
    file = tmp_path / "new" / "history.jsonl"
    append(file, results(10.0, 20.0))
    runs = append(file, results(40.0, 20.0))
    assert read(file) == runs
    assert [run.mean_ms("search") for run in runs] == pytest.approx([10.0, 40.0])
    assert runs[0].mean_ms("nothing") is None


def test_another_file_is_no_history(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello\n")
    with pytest.raises(BadRequest, match=r"is no history of"):
        append(file, results(1.0))
    assert file.read_text() == "hello\n"


def test_only_runs_over_the_same_set_are_one_line(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    for number in range(SHOWN + 5):
        append(file, results(1.0 + number))
    runs = append(file, results(99.0, of_set="another"))
    assert len([*ElementTree.fromstring(history_svg(runs)).iter(f"{SVG}circle")]) == 1
    assert len([*ElementTree.fromstring(history_svg(runs[:-1])).iter(f"{SVG}circle")]) == SHOWN
    assert "search 45 ms" in history_svg(runs[:-1])


def test_labels_of_lines_do_not_lie_upon_each_other(tmp_path: Path) -> None:
    runs = append(tmp_path / "history.jsonl", results(5.0, 5.01, 5.02, 5.0, 5.03))
    words = ElementTree.fromstring(history_svg(runs)).iter(f"{SVG}text")
    places = sorted(float(word.attrib["y"]) for word in words if (word.text or "").endswith(" ms"))[1:]
    assert len(places) == 5
    assert min(later - one for one, later in pairwise(places)) >= 14


def test_nothing_is_drawn_of_nothing() -> None:
    assert ElementTree.fromstring(history_svg([])).tag == f"{SVG}svg"
