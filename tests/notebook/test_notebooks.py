"""Every notebook runs from its first cell to its last, and none is kept with its outputs."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
BY_DAY = 2
CELL_S = 600


def test_there_are_six() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert cells
    assert book.cells[0].source.startswith("# ")
    for cell in cells:
        assert (cell.outputs, cell.execution_count) == ([], None)
    assert "widgets" not in book.metadata


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if place < BY_DAY else pytest.mark.slow) for place, path in enumerate(NOTEBOOKS)],
    ids=lambda path: path.stem,
)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(book, timeout=CELL_S, resources={"metadata": {"path": str(tmp_path)}})
    with warnings.catch_warnings():  # a kernel's channels are closed when Python gets to them
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(client.async_execute())
    assert all(cell.execution_count for cell in book.cells if cell.cell_type == "code")
