"""Cells of TraceQL: answers, errors with their place, completion."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import tempo_dask
from tempo_dask import Store
from tempo_dask.errors import Unavailable
from tempo_dask.notebook import magic
from tempo_dask.notebook.completion import completions
from tempo_dask.notebook.magic import Refused


@pytest.fixture(scope="module")
def shell(store: Store) -> Iterator[InteractiveShell]:
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.extension_manager.load_extension("tempo_dask")
    shell.push({"shop": store})
    try:
        yield shell
    finally:
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()
        gc.collect()


@pytest.fixture
def answered(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list of what cells display."""
    shown: list[Any] = []
    monkeypatch.setattr(magic, "display", shown.append)
    return shown


def test_the_extension_is_that_of_the_package() -> None:
    assert tempo_dask.load_ipython_extension is magic.load_ipython_extension


def test_a_search_a_metric_and_spans(shell: InteractiveShell, store: Store, answered: list[Any]) -> None:
    shell.run_cell_magic("traceql", "shop --limit 5 --out found", "{ status = error }\n")
    shell.run_cell_magic("traceql", "", "{ } | rate() by (resource.service.name)")
    shell.run_cell_magic("traceql", "--spans --limit 7", "{ status = error }")
    pd.testing.assert_frame_equal(answered[0], store.search("{ status = error }", limit=5))
    assert shell.user_ns["found"] is answered[0]
    assert "frontend" in " ".join(answered[1].columns)
    assert len(answered[2]) == 7


def test_an_error_shows_its_place(shell: InteractiveShell, answered: list[Any]) -> None:
    shell.run_cell_magic("traceql", "", "{ stauts = error }")
    assert isinstance(answered[0], Refused)
    lines = repr(answered[0]).splitlines()
    assert lines[2].index("^") == lines[1].index("stauts") + len("stauts ") or "stauts" in lines[0]
    assert "&lt;" in Refused("<")._repr_html_()


@pytest.mark.parametrize("line", ["nobody", "--limit x", "shop other", "--what"])
def test_a_line_that_means_nothing_is_refused(shell: InteractiveShell, line: str) -> None:
    with pytest.raises(UsageError):
        shell.run_cell_magic("traceql", line, "{ }")


@pytest.mark.parametrize(
    ("text", "found"),
    [("%%traceql shop\n{ span.payment.am", ["span.payment.amount"]), ("x = span.payment.am", [])],
)
def test_attributes_are_completed_in_cells_of_traceql(shell: InteractiveShell, text: str, found: list[str]) -> None:
    shell.Completer.use_jedi = False
    with provisionalcompleter():
        assert [completion.text for completion in shell.Completer.completions(text, len(text))] == found


def test_a_store_that_does_not_answer_completes_words() -> None:
    class Gone:
        def tags(self) -> dict[str, tuple[str, ...]]:
            raise Unavailable("no answer")

    assert completions(Gone(), "rat") == ["rate()"]
    assert completions(Gone(), "stat") == ["status", "statusMessage"]


def test_odd_keys_are_quoted() -> None:
    class Odd:
        def tags(self) -> dict[str, tuple[str, ...]]:
            return {"span": ("a key",), "intrinsic": ("name",)}

    assert completions(Odd(), "span.") == ['span."a key"']
